"""Hashes: MD5, SHA-1, SHA-2, SHA-3, BLAKE2 by hashlib, and HMAC."""

from Crypto import _part

__all__ = ["HMAC", "MD5", "SHA", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3_224", "SHA3_256", "SHA3_384", "SHA3_512"]
__getattr__ = _part(__name__, __all__)
