"""Cronbox's part of cryptography: what google-auth and PyJWT use of it, over `cronbox.crypto`.

The package itself is native code, which a sandbox does not load. What is not here says so when it is used.
"""

from cronbox import _standin

__all__ = ["__version__"]
__version__ = "50.0.2"

_HERE = (
    "the keys of RSA, ECDSA and Ed25519 with their signatures, RSA's encryption, their PEM and DER, the hashes, and "
    "x509.load_pem_x509_certificate"
)


def _sentence(name):
    return f"{name} is not in Cronbox's part of cryptography, which has {_HERE}; cronbox.crypto has AES and ChaCha20"


_part = _standin.parts_of(_sentence)
_standin.refuse_others(__name__, _sentence)
__getattr__ = _part(__name__, ("exceptions", "hazmat", "x509"))
