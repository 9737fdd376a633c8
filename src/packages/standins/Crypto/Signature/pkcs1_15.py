"""Signatures of RSA as PKCS #1 v1.5 has them."""


class PKCS115_SigScheme:
    def __init__(self, rsa_key):
        self._key = rsa_key

    def can_sign(self):
        return self._key.has_private()

    def sign(self, msg_hash):
        return self._key._private().sign_pkcs1(msg_hash._name, msg_hash.digest())

    def verify(self, msg_hash, signature):
        if not self._key._numbers.public().verify_pkcs1(msg_hash._name, msg_hash.digest(), bytes(memoryview(signature))):
            raise ValueError("Invalid signature")


def new(rsa_key):
    return PKCS115_SigScheme(rsa_key)
