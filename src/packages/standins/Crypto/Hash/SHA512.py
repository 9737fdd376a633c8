"""SHA512."""

from ._hash import fill

fill(globals(), "sha512", "SHA512Hash")
