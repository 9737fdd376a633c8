"""Cronbox's part of pycryptodome: AES, RSA encryption and signatures, hashes, padding. It is over `cronbox.crypto`.

The package itself is native code, which a sandbox does not load. What is not here says so when it is used.
"""

import importlib
import sys

__all__ = ["Cipher", "Hash", "PublicKey", "Random", "Signature", "Util"]
version_info = (4, 4, "0")
__version__ = "4.4.0"

class PassphraseRequiredError(ValueError):
    """A key is encrypted, and no passphrase was given."""


class IncorrectPassphraseError(ValueError):
    """A key cannot be decrypted with the passphrase."""


_HERE = "AES, PKCS1_v1_5, PKCS1_OAEP, RSA, the hashes, the signatures of RSA, and padding"


def _sentence(name):
    return f"{name} is not in Cronbox's part of pycryptodome, which has {_HERE}; cronbox.crypto has more"


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
    """The last one: says of the modules of pycryptodome that are not here that they are not."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith(__name__ + "."):
            raise ModuleNotFoundError(_sentence(name), name=name)
        return None


sys.meta_path.append(_Finder)
__getattr__ = _part(__name__, __all__)
