"""The older form of `pss`, which answers True or False."""

from Crypto.Signature import pss


def new(rsa_key, mgfunc=None, saltLen=None, randfunc=None):
    scheme = pss.new(rsa_key, mask_func=mgfunc, salt_bytes=saltLen, rand_func=randfunc)
    checked = scheme.verify

    def verify(msg_hash, signature):
        try:
            checked(msg_hash, signature)
        except (ValueError, TypeError):
            return False
        return True

    scheme.verify = scheme._verify = verify
    return scheme
