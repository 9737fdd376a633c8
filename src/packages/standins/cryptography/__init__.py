"""Cronbox's part of cryptography: what google-auth and PyJWT use of it, over `cronbox.crypto`.

The package itself is native code, which a sandbox does not load. What is not here says so when it is used.
"""

import importlib
import sys

__all__ = ["__version__"]
__version__ = "50.0.2"

_HERE = (
    "the keys of RSA, ECDSA and Ed25519 with their signatures, RSA's encryption, their PEM and DER, the hashes, and "
    "x509.load_pem_x509_certificate"
)


def _sentence(name):
    return f"{name} is not in Cronbox's part of cryptography, which has {_HERE}; cronbox.crypto has AES and ChaCha20"


def _part(package, parts):
    """A package's `__getattr__`: its parts are imported when they are asked for, everything else raises a sentence."""

    def __getattr__(name):
        if name in parts:
            return importlib.import_module(f"{package}.{name}")
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(_sentence(f"{package}.{name}"), name=f"{package}.{name}")

    return __getattr__


class _Finder:
    """The last one: says of the modules of cryptography that are not here that they are not."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith(__name__ + "."):
            raise ModuleNotFoundError(_sentence(name), name=name)
        return None


sys.meta_path.append(_Finder)
__getattr__ = _part(__name__, ("exceptions", "hazmat", "x509"))
