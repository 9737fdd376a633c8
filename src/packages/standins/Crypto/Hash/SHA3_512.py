"""SHA3_512."""

from ._hash import fill

fill(globals(), "sha3_512", "SHA3_512_Hash")
