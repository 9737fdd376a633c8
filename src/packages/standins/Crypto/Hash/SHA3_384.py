"""SHA3_384."""

from ._hash import fill

fill(globals(), "sha3_384", "SHA3_384_Hash")
