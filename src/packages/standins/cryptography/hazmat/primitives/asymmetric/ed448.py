"""Ed448, which is not here: the names are, for those who ask whether a key is one."""

from cryptography.exceptions import UnsupportedAlgorithm

_SENTENCE = "Cronbox's part of cryptography has no Ed448: use Ed25519"


class _Missing:
    def __init__(self, *args):
        raise UnsupportedAlgorithm(_SENTENCE)

    @classmethod
    def generate(cls):
        raise UnsupportedAlgorithm(_SENTENCE)

    from_private_bytes = from_public_bytes = classmethod(lambda cls, data: cls.generate())


class Ed448PublicKey(_Missing):
    pass


class Ed448PrivateKey(_Missing):
    pass
