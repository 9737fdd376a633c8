"""SHA256."""

from ._hash import fill

fill(globals(), "sha256", "SHA256Hash")
