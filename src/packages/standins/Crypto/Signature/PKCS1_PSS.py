"""The older form of `pss`, which answers True or False."""

from Crypto.Signature import pss
from Crypto.Signature._older import answering


def new(rsa_key, mgfunc=None, saltLen=None, randfunc=None):
    return answering(pss.new(rsa_key, mask_func=mgfunc, salt_bytes=saltLen, rand_func=randfunc))
