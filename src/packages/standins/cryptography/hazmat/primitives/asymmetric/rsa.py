"""RSA."""

import math

from cronbox import _keys

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding as _padding
from cryptography.hazmat.primitives.asymmetric.utils import _digest
from cryptography.hazmat.primitives.serialization import _formats


def _mask(padding):
    if not isinstance(padding.mgf, _padding.MGF1):
        raise UnsupportedAlgorithm("Only MGF1 is supported.")
    return hashes._name(padding.mgf._algorithm)


def _oaep(padding):
    return hashes._name(padding.algorithm), _mask(padding), bytes(padding._label or b"")


class RSAPublicKey:
    def __init__(self, numbers):
        self._numbers = numbers

    @property
    def key_size(self):
        return self._numbers.bits

    def public_numbers(self):
        return RSAPublicNumbers(self._numbers.e, self._numbers.n)

    def encrypt(self, plaintext, padding):
        plaintext = bytes(memoryview(plaintext))
        try:
            if isinstance(padding, _padding.PKCS1v15):
                return self._numbers.encrypt_pkcs1(plaintext)
            if isinstance(padding, _padding.OAEP):
                return self._numbers.encrypt_oaep(plaintext, *_oaep(padding))
        except ValueError:
            raise ValueError("Encryption failed") from None
        raise UnsupportedAlgorithm("only PKCS1v15 and OAEP encrypt")

    def verify(self, signature, data, padding, algorithm):
        digest, name = _digest(data, algorithm)
        signature = bytes(memoryview(signature))
        if isinstance(padding, _padding.PKCS1v15):
            holds = self._numbers.verify_pkcs1(name, digest, signature)
        elif isinstance(padding, _padding.PSS):
            salt = padding._salt_length
            if isinstance(salt, _padding._MaxLength):
                salt = (self.key_size + 6) // 8 - len(digest) - 2
            elif isinstance(salt, _padding._DigestLength):
                salt = len(digest)
            elif isinstance(salt, _padding._Auto):
                salt = None
            holds = self._numbers.verify_pss(name, digest, signature, salt, _mask(padding))
        else:
            raise UnsupportedAlgorithm("only PKCS1v15 and PSS sign")
        if not holds:
            raise InvalidSignature

    def public_bytes(self, encoding, format):
        return _formats.public_bytes(self._numbers, encoding, format)

    def __eq__(self, other):
        return isinstance(other, RSAPublicKey) and self.public_numbers() == other.public_numbers()

    def __hash__(self):
        return hash(self.public_numbers())


class RSAPrivateKey:
    def __init__(self, numbers):
        self._numbers = numbers

    @property
    def key_size(self):
        return self._numbers.bits

    def public_key(self):
        return RSAPublicKey(self._numbers.public())

    def private_numbers(self):
        own = self._numbers
        p, q = own.p, own.q
        return RSAPrivateNumbers(
            p,
            q,
            own.d,
            rsa_crt_dmp1(own.d, p),
            rsa_crt_dmq1(own.d, q),
            rsa_crt_iqmp(p, q),
            RSAPublicNumbers(own.e, own.n),
        )

    def decrypt(self, ciphertext, padding):
        ciphertext = bytes(memoryview(ciphertext))
        if len(ciphertext) != self._numbers.size:
            raise ValueError("Ciphertext length must be equal to key size.")
        if isinstance(padding, _padding.PKCS1v15):
            found = self._numbers.decrypt_pkcs1(ciphertext)
        elif isinstance(padding, _padding.OAEP):
            found = self._numbers.decrypt_oaep(ciphertext, *_oaep(padding))
        else:
            raise UnsupportedAlgorithm("only PKCS1v15 and OAEP encrypt")
        if found is None:
            raise ValueError("Decryption failed")
        return found

    def sign(self, data, padding, algorithm):
        digest, name = _digest(data, algorithm)
        if isinstance(padding, _padding.PKCS1v15):
            return self._numbers.sign_pkcs1(name, digest)
        if isinstance(padding, _padding.PSS):
            salt = padding._salt_length
            if isinstance(salt, _padding._MaxLength):
                salt = (self.key_size + 6) // 8 - len(digest) - 2
            elif isinstance(salt, _padding._DigestLength):
                salt = len(digest)
            elif isinstance(salt, _padding._Auto):
                raise ValueError("PSS salt length can only be set to AUTO when verifying")
            return self._numbers.sign_pss(name, digest, salt, _mask(padding))
        raise UnsupportedAlgorithm("only PKCS1v15 and PSS sign")

    def private_bytes(self, encoding, format, encryption_algorithm):
        return _formats.private_bytes(self._numbers, encoding, format, encryption_algorithm)


RSAPrivateKeyWithSerialization = RSAPrivateKey
RSAPublicKeyWithSerialization = RSAPublicKey


class RSAPublicNumbers:
    def __init__(self, e, n):
        if not isinstance(e, int) or not isinstance(n, int):
            raise TypeError("RSAPublicNumbers arguments must be integers.")
        self.e, self.n = e, n

    def public_key(self, backend=None):
        return RSAPublicKey(_keys.RsaPublic(self.n, self.e))

    def __eq__(self, other):
        return isinstance(other, RSAPublicNumbers) and (self.e, self.n) == (other.e, other.n)

    def __hash__(self):
        return hash((self.e, self.n))

    def __repr__(self):
        return f"<RSAPublicNumbers(e={self.e}, n={self.n})>"


class RSAPrivateNumbers:
    def __init__(self, p, q, d, dmp1, dmq1, iqmp, public_numbers):
        self.p, self.q, self.d, self.dmp1, self.dmq1, self.iqmp = p, q, d, dmp1, dmq1, iqmp
        self.public_numbers = public_numbers

    def private_key(self, backend=None, *, unsafe_skip_rsa_key_validation=False):
        public = self.public_numbers
        return RSAPrivateKey(_keys.RsaPrivate(public.n, public.e, self.d, self.p, self.q))

    def _all(self):
        return self.p, self.q, self.d, self.dmp1, self.dmq1, self.iqmp, self.public_numbers

    def __eq__(self, other):
        return isinstance(other, RSAPrivateNumbers) and self._all() == other._all()

    def __hash__(self):
        return hash(self._all())


def generate_private_key(public_exponent, key_size, backend=None):
    if public_exponent not in (3, 65537):
        raise ValueError("public_exponent must be either 3 (for legacy compatibility) or 65537.")
    if key_size < 1024:
        raise ValueError("key_size must be at least 1024-bits.")
    return RSAPrivateKey(_keys.generate_rsa(key_size, public_exponent))


def rsa_crt_iqmp(p, q):
    return pow(q, -1, p)


def rsa_crt_dmp1(private_exponent, p):
    return private_exponent % (p - 1)


def rsa_crt_dmq1(private_exponent, q):
    return private_exponent % (q - 1)


def rsa_recover_private_exponent(e, p, q):
    return pow(e, -1, math.lcm(p - 1, q - 1))


def rsa_recover_prime_factors(n, e, d):
    try:
        return _keys.primes_of(n, e, d)
    except ValueError:
        raise ValueError("Unable to compute factors p and q from exponent d.") from None
