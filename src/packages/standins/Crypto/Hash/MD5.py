"""MD5."""

from ._hash import fill

fill(globals(), "md5", "MD5Hash")
