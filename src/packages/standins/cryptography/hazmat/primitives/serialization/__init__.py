"""Keys in PEM and DER."""

from cronbox import _der, _keys

from cryptography import _part
from cryptography.exceptions import UnsupportedAlgorithm

from ._formats import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

__all__ = [
    "BestAvailableEncryption",
    "Encoding",
    "KeySerializationEncryption",
    "NoEncryption",
    "PrivateFormat",
    "PublicFormat",
    "load_der_private_key",
    "load_der_public_key",
    "load_pem_private_key",
    "load_pem_public_key",
    "load_ssh_private_key",
    "load_ssh_public_key",
]


def _key(numbers):
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    classes = {
        _keys.RsaPublic: rsa.RSAPublicKey,
        _keys.RsaPrivate: rsa.RSAPrivateKey,
        _keys.EcPublic: ec.EllipticCurvePublicKey,
        _keys.EcPrivate: ec.EllipticCurvePrivateKey,
        _keys.EdPublic: ed25519.Ed25519PublicKey,
        _keys.EdPrivate: ed25519.Ed25519PrivateKey,
    }
    return classes[type(numbers)](numbers)


def _loaded(data, password, is_private):
    if isinstance(data, str):
        raise TypeError("argument 'data': 'str' object cannot be converted to 'bytes'")
    data = bytes(memoryview(data))
    if password is not None and b"ENCRYPTED" not in data and b"-----BEGIN" in data:
        raise TypeError("Password was given but private key is not encrypted.")
    try:
        numbers = _keys.load(data, password)
    except _keys.PasswordMissing as error:
        raise TypeError(str(error)) from None
    except _keys.PasswordWrong as error:
        raise ValueError(str(error)) from None
    if numbers.is_private is not is_private:
        raise ValueError("Could not deserialize key data. It is a " + ("public" if is_private else "private") + " key.")
    return _key(numbers)


def load_pem_private_key(data, password, backend=None, *, unsafe_skip_rsa_key_validation=False):
    _pem(data)
    return _loaded(data, password, True)


def load_der_private_key(data, password, backend=None, *, unsafe_skip_rsa_key_validation=False):
    return _loaded(data, password, True)


def load_pem_public_key(data, backend=None):
    _pem(data)
    return _loaded(data, None, False)


def load_der_public_key(data, backend=None):
    return _loaded(data, None, False)


def _pem(data):
    if not isinstance(data, str) and not _der.from_pem(bytes(memoryview(data))):
        raise ValueError("Unable to load PEM file: there is no whole block of it")


def load_ssh_public_key(data, backend=None):
    raise UnsupportedAlgorithm("Cronbox's part of cryptography has no keys of OpenSSH: write it as PEM")


def load_ssh_private_key(data, password, backend=None):
    raise UnsupportedAlgorithm("Cronbox's part of cryptography has no keys of OpenSSH: write it as PEM")


__getattr__ = _part(__name__, ())
