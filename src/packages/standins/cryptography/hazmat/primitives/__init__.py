"""Keys, hashes, padding."""

from cryptography import _part

__getattr__ = _part(__name__, ("asymmetric", "hashes", "serialization"))
