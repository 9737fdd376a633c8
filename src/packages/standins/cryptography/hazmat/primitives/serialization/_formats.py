"""How keys are written."""

import enum

from cronbox import _der, _keys

from cryptography.exceptions import UnsupportedAlgorithm


class Encoding(enum.Enum):
    PEM = "PEM"
    DER = "DER"
    OpenSSH = "OpenSSH"
    Raw = "Raw"
    X962 = "ANSI X9.62"
    SMIME = "S/MIME"


class PrivateFormat(enum.Enum):
    PKCS8 = "PKCS8"
    TraditionalOpenSSL = "TraditionalOpenSSL"
    Raw = "Raw"
    OpenSSH = "OpenSSH"
    PKCS12 = "PKCS12"


class PublicFormat(enum.Enum):
    SubjectPublicKeyInfo = "X.509 subjectPublicKeyInfo with PKCS#1"
    PKCS1 = "Raw PKCS#1"
    OpenSSH = "OpenSSH"
    Raw = "Raw"
    CompressedPoint = "X9.62 Compressed Point"
    UncompressedPoint = "X9.62 Uncompressed Point"


class KeySerializationEncryption:
    pass


class NoEncryption(KeySerializationEncryption):
    pass


class BestAvailableEncryption(KeySerializationEncryption):
    def __init__(self, password):
        if not isinstance(password, bytes) or not password:
            raise ValueError("Password must be 1 or more bytes.")
        self.password = password


def _written(encoding, label, data):
    if encoding is Encoding.DER:
        return data
    if encoding is Encoding.PEM:
        return _der.to_pem(label, data)
    raise ValueError("Cronbox's part of cryptography writes PEM and DER, and some keys as raw bytes")


def public_bytes(numbers, encoding, format):
    if format is PublicFormat.SubjectPublicKeyInfo:
        return _written(encoding, "PUBLIC KEY", numbers.spki())
    if format is PublicFormat.PKCS1 and isinstance(numbers, _keys.RsaPublic):
        return _written(encoding, "RSA PUBLIC KEY", numbers.pkcs1())
    if isinstance(numbers, _keys.EdPublic) and (encoding, format) == (Encoding.Raw, PublicFormat.Raw):
        return numbers.raw
    if isinstance(numbers, _keys.EcPublic) and encoding is Encoding.X962:
        if format is PublicFormat.UncompressedPoint:
            return numbers.point
        if format is PublicFormat.CompressedPoint:
            return bytes((2 + (numbers.point[-1] & 1),)) + numbers.point[1 : 1 + numbers.curve.size]
    if format is PublicFormat.OpenSSH or encoding is Encoding.OpenSSH:
        raise UnsupportedAlgorithm("Cronbox's part of cryptography has no keys of OpenSSH")
    raise ValueError("the encoding and the format do not fit this key")


def private_bytes(numbers, encoding, format, encryption_algorithm):
    if not isinstance(encryption_algorithm, KeySerializationEncryption):
        raise TypeError("Encryption algorithm must be a KeySerializationEncryption instance")
    password = getattr(encryption_algorithm, "password", None)
    if format is PrivateFormat.PKCS8:
        data = numbers.pkcs8()
        if password is None:
            return _written(encoding, "PRIVATE KEY", data)
        return _written(encoding, "ENCRYPTED PRIVATE KEY", _keys.encrypted_pkcs8(data, password))
    if format is PrivateFormat.TraditionalOpenSSL:
        if password is not None:
            raise UnsupportedAlgorithm("a key with a password is written as PKCS8 here")
        if isinstance(numbers, _keys.RsaPrivate):
            return _written(encoding, "RSA PRIVATE KEY", numbers.pkcs1())
        if isinstance(numbers, _keys.EcPrivate):
            return _written(encoding, "EC PRIVATE KEY", numbers.sec1())
    if isinstance(numbers, _keys.EdPrivate) and (encoding, format) == (Encoding.Raw, PrivateFormat.Raw):
        return numbers.raw
    if format is PrivateFormat.OpenSSH:
        raise UnsupportedAlgorithm("Cronbox's part of cryptography has no keys of OpenSSH")
    raise ValueError("the encoding and the format do not fit this key")
