"""Hashes, by hashlib."""

import hashlib

from cryptography import _part
from cryptography.exceptions import AlreadyFinalized


class HashAlgorithm:
    """A hash by its name."""

    name = digest_size = block_size = None

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return hash(type(self))


class HashContext:
    pass


def _algorithm(label, name, size, block):
    scope = {"name": name, "digest_size": size, "block_size": block, "__module__": __name__}
    return type(label, (HashAlgorithm,), scope)


MD5 = _algorithm("MD5", "md5", 16, 64)
SHA1 = _algorithm("SHA1", "sha1", 20, 64)
SHA224 = _algorithm("SHA224", "sha224", 28, 64)
SHA256 = _algorithm("SHA256", "sha256", 32, 64)
SHA384 = _algorithm("SHA384", "sha384", 48, 128)
SHA512 = _algorithm("SHA512", "sha512", 64, 128)
SHA3_224 = _algorithm("SHA3_224", "sha3-224", 28, None)
SHA3_256 = _algorithm("SHA3_256", "sha3-256", 32, None)
SHA3_384 = _algorithm("SHA3_384", "sha3-384", 48, None)
SHA3_512 = _algorithm("SHA3_512", "sha3-512", 64, None)


def _name(algorithm):
    """hashlib's name."""
    if not isinstance(algorithm, HashAlgorithm):
        raise TypeError("Expected instance of hashes.HashAlgorithm.")
    return algorithm.name.replace("-", "_")


class Hash(HashContext):
    """A hash under way."""

    def __init__(self, algorithm, backend=None):
        self._hash = hashlib.new(_name(algorithm))
        self.algorithm = algorithm

    def _context(self):
        if self._hash is None:
            raise AlreadyFinalized("Context was already finalized.")
        return self._hash

    def update(self, data):
        if isinstance(data, str):
            raise TypeError("data must be bytes-like")
        self._context().update(data)

    def copy(self):
        other = Hash(self.algorithm)
        other._hash = self._context().copy()
        return other

    def finalize(self):
        digest, self._hash = self._context().digest(), None
        return digest


__getattr__ = _part(__name__, ())
