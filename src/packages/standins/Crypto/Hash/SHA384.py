"""SHA384."""

from ._hash import fill

fill(globals(), "sha384", "SHA384Hash")
