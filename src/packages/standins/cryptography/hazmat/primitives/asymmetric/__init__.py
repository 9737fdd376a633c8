"""Public and private keys."""

from cryptography import _part

__getattr__ = _part(__name__, ("ec", "ed25519", "ed448", "padding", "rsa", "types", "utils"))
