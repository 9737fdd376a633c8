"""Signatures of RSA as PSS has them."""


class PSS_SigScheme:
    def __init__(self, key, salt_bytes=None):
        self._key, self._salt_bytes = key, salt_bytes

    def can_sign(self):
        return self._key.has_private()

    def _salt(self, msg_hash):
        return msg_hash.digest_size if self._salt_bytes is None else self._salt_bytes

    def sign(self, msg_hash):
        name = msg_hash._name
        return self._key._private().sign_pss(name, msg_hash.digest(), self._salt(msg_hash), name)

    def verify(self, msg_hash, signature):
        name, signature = msg_hash._name, bytes(memoryview(signature))
        public = self._key._numbers.public()
        if not public.verify_pss(name, msg_hash.digest(), signature, self._salt(msg_hash), name):
            raise ValueError("Incorrect signature")


def new(rsa_key, **kwargs):
    salt_bytes = kwargs.pop("salt_bytes", None)
    if kwargs.pop("mask_func", None) is not None:
        raise NotImplementedError("Cronbox's PSS takes no mask function of the script's own")
    kwargs.pop("rand_func", None)
    if kwargs:
        raise ValueError(f"Unknown keywords: {list(kwargs)}")
    return PSS_SigScheme(rsa_key, salt_bytes)
