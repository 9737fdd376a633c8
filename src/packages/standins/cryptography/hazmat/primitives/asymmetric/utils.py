"""The two numbers of a signature of ECDSA, and digests that were made before."""

from cronbox import _keys

from cryptography.hazmat.primitives import hashes


def decode_dss_signature(signature):
    return _keys.signature_from_der(signature)


def encode_dss_signature(r, s):
    if not isinstance(r, int) or not isinstance(s, int):
        raise ValueError("Both r and s must be integers")
    return _keys.signature_to_der(r, s)


class Prehashed:
    def __init__(self, algorithm):
        if not isinstance(algorithm, hashes.HashAlgorithm):
            raise TypeError("Expected instance of HashAlgorithm.")
        self._algorithm, self._digest_size = algorithm, algorithm.digest_size

    @property
    def digest_size(self):
        return self._digest_size


def _digest(data, algorithm):
    """The digest of data, and the hash's name."""
    import hashlib

    if isinstance(data, str):
        raise TypeError("data must be bytes-like")
    data = bytes(memoryview(data))
    if isinstance(algorithm, Prehashed):
        if len(data) != algorithm.digest_size:
            raise ValueError("The provided data must be the same length as the hash algorithm's digest size.")
        return data, hashes._name(algorithm._algorithm)
    name = hashes._name(algorithm)
    return hashlib.new(name, data).digest(), name
