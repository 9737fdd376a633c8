"""SHA224."""

from ._hash import fill

fill(globals(), "sha224", "SHA224Hash")
