"""ECDSA."""

from cronbox import _keys

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.utils import _digest
from cryptography.hazmat.primitives.serialization import _formats


class EllipticCurve:
    name = key_size = None

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return hash(type(self))


class SECP256R1(EllipticCurve):
    name, key_size = "secp256r1", 256


class SECP384R1(EllipticCurve):
    name, key_size = "secp384r1", 384


class SECP521R1(EllipticCurve):
    name, key_size = "secp521r1", 521


class SECP256K1(EllipticCurve):
    name, key_size = "secp256k1", 256


_CURVES = {curve.name: curve for curve in (SECP256R1, SECP384R1, SECP521R1, SECP256K1)}


def _curve(curve):
    if not isinstance(curve, EllipticCurve):
        raise TypeError("curve must be an EllipticCurve instance")
    return _keys.curve(curve.name)


class EllipticCurveSignatureAlgorithm:
    pass


class ECDSA(EllipticCurveSignatureAlgorithm):
    def __init__(self, algorithm, deterministic_signing=False):
        self._algorithm, self._deterministic = algorithm, deterministic_signing

    @property
    def algorithm(self):
        return self._algorithm

    @property
    def deterministic_signing(self):
        return self._deterministic


class ECDH:
    def __init__(self):
        raise UnsupportedAlgorithm("Cronbox's part of cryptography has no key exchange")


def _ecdsa(algorithm):
    if not isinstance(algorithm, ECDSA):
        raise UnsupportedAlgorithm("only ECDSA signs")
    return algorithm.algorithm


class EllipticCurvePublicKey:
    def __init__(self, numbers):
        self._numbers = numbers

    @property
    def curve(self):
        return _CURVES[self._numbers.curve.name]()

    @property
    def key_size(self):
        return self._numbers.curve.bits

    @classmethod
    def from_encoded_point(cls, curve, data):
        try:
            return cls(_keys.EcPublic(_curve(curve), bytes(data)))
        except ValueError:
            raise ValueError("Invalid EC key.") from None

    def public_numbers(self):
        return EllipticCurvePublicNumbers(self._numbers.x, self._numbers.y, self.curve)

    def verify(self, signature, data, signature_algorithm):
        digest, _ = _digest(data, _ecdsa(signature_algorithm))
        try:
            r, s = _keys.signature_from_der(signature)
        except ValueError:
            raise InvalidSignature from None
        if not self._numbers.verify(digest, r, s):
            raise InvalidSignature

    def public_bytes(self, encoding, format):
        return _formats.public_bytes(self._numbers, encoding, format)

    def __eq__(self, other):
        return isinstance(other, EllipticCurvePublicKey) and self.public_numbers() == other.public_numbers()

    def __hash__(self):
        return hash(self.public_numbers())


class EllipticCurvePrivateKey:
    def __init__(self, numbers):
        self._numbers = numbers

    curve = EllipticCurvePublicKey.curve
    key_size = EllipticCurvePublicKey.key_size

    def public_key(self):
        return EllipticCurvePublicKey(self._numbers.public())

    def private_numbers(self):
        return EllipticCurvePrivateNumbers(self._numbers.secret, self.public_key().public_numbers())

    def sign(self, data, signature_algorithm):
        digest, _ = _digest(data, _ecdsa(signature_algorithm))
        return _keys.signature_to_der(*self._numbers.sign(digest))

    def exchange(self, algorithm, peer_public_key):
        raise UnsupportedAlgorithm("Cronbox's part of cryptography has no key exchange")

    def private_bytes(self, encoding, format, encryption_algorithm):
        return _formats.private_bytes(self._numbers, encoding, format, encryption_algorithm)


EllipticCurvePrivateKeyWithSerialization = EllipticCurvePrivateKey
EllipticCurvePublicKeyWithSerialization = EllipticCurvePublicKey


class EllipticCurvePublicNumbers:
    def __init__(self, x, y, curve):
        if not isinstance(x, int) or not isinstance(y, int):
            raise TypeError("x and y must be integers.")
        _curve(curve)
        self.x, self.y, self.curve = x, y, curve

    def public_key(self, backend=None):
        of = _curve(self.curve)
        try:
            point = b"\4" + self.x.to_bytes(of.size) + self.y.to_bytes(of.size)
            return EllipticCurvePublicKey(_keys.EcPublic(of, point))
        except (ValueError, OverflowError):
            raise ValueError("Invalid EC key.") from None

    def __eq__(self, other):
        same = isinstance(other, EllipticCurvePublicNumbers)
        return same and (self.x, self.y, self.curve) == (other.x, other.y, other.curve)

    def __hash__(self):
        return hash((self.x, self.y, self.curve))


class EllipticCurvePrivateNumbers:
    def __init__(self, private_value, public_numbers):
        if not isinstance(private_value, int):
            raise TypeError("private_value must be an integer.")
        self.private_value, self.public_numbers = private_value, public_numbers

    def private_key(self, backend=None):
        key = EllipticCurvePrivateKey(_keys.EcPrivate(_curve(self.public_numbers.curve), self.private_value))
        if key.public_key().public_numbers() != self.public_numbers:
            raise ValueError("Invalid EC key.")
        return key

    def __eq__(self, other):
        same = isinstance(other, EllipticCurvePrivateNumbers)
        return same and (self.private_value, self.public_numbers) == (other.private_value, other.public_numbers)

    def __hash__(self):
        return hash((self.private_value, self.public_numbers))


def generate_private_key(curve, backend=None):
    return EllipticCurvePrivateKey(_keys.generate_ec(_curve(curve)))


def derive_private_key(private_value, curve, backend=None):
    return EllipticCurvePrivateKey(_keys.EcPrivate(_curve(curve), private_value))
