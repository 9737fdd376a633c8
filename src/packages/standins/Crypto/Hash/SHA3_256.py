"""SHA3_256."""

from ._hash import fill

fill(globals(), "sha3_256", "SHA3_256_Hash")
