"""Cronbox's part of pycryptodome: AES, RSA encryption and signatures, hashes, padding. It is over `cronbox.crypto`.

The package itself is native code, which a sandbox does not load. What is not here says so when it is used.
"""

from cronbox import _standin

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


_part = _standin.parts_of(_sentence)
_standin.refuse_others(__name__, _sentence)
__getattr__ = _part(__name__, __all__)
