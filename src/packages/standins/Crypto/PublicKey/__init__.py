"""Public keys: RSA."""

from Crypto import _part

__all__ = ["RSA"]
__getattr__ = _part(__name__, __all__)
