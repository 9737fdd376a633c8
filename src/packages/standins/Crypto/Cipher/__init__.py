"""Ciphers: AES, and RSA's PKCS1_v1_5 and PKCS1_OAEP."""

from Crypto import _part

__all__ = ["AES", "PKCS1_OAEP", "PKCS1_v1_5"]
__getattr__ = _part(__name__, __all__)
