"""What is needed beside: padding, counters, numbers."""

from Crypto import _part

__all__ = ["Counter", "Padding", "number", "strxor"]
__getattr__ = _part(__name__, __all__)
