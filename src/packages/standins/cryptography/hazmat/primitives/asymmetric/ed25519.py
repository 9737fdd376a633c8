"""Ed25519."""

import os

from cronbox import _keys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import _formats


class Ed25519PublicKey:
    def __init__(self, numbers):
        self._numbers = numbers

    @classmethod
    def from_public_bytes(cls, data):
        if len(data) != 32:
            raise ValueError("An Ed25519 public key is 32 bytes long")
        return cls(_keys.EdPublic(bytes(data)))

    def public_bytes(self, encoding, format):
        return _formats.public_bytes(self._numbers, encoding, format)

    def public_bytes_raw(self):
        return self._numbers.raw

    def verify(self, signature, data):
        if not self._numbers.verify(bytes(memoryview(data)), bytes(memoryview(signature))):
            raise InvalidSignature

    def __eq__(self, other):
        return isinstance(other, Ed25519PublicKey) and self._numbers.raw == other._numbers.raw

    def __hash__(self):
        return hash(self._numbers.raw)


class Ed25519PrivateKey:
    def __init__(self, numbers):
        self._numbers = numbers

    @classmethod
    def generate(cls):
        return cls(_keys.EdPrivate(os.urandom(32)))

    @classmethod
    def from_private_bytes(cls, data):
        return cls(_keys.EdPrivate(bytes(data)))

    def public_key(self):
        return Ed25519PublicKey(self._numbers.public())

    def private_bytes(self, encoding, format, encryption_algorithm):
        return _formats.private_bytes(self._numbers, encoding, format, encryption_algorithm)

    def private_bytes_raw(self):
        return self._numbers.raw

    def sign(self, data):
        return self._numbers.sign(bytes(memoryview(data)))
