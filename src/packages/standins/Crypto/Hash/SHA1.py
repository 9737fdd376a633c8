"""SHA1."""

from ._hash import fill

fill(globals(), "sha1", "SHA1Hash")
