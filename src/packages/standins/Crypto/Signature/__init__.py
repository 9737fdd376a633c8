"""Signatures of RSA."""

from Crypto import _part

__all__ = ["PKCS1_PSS", "PKCS1_v1_5", "pkcs1_15", "pss"]
__getattr__ = _part(__name__, __all__)
