"""SHA3_224."""

from ._hash import fill

fill(globals(), "sha3_224", "SHA3_224_Hash")
