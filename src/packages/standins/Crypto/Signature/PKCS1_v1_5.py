"""The older form of `pkcs1_15`, which answers True or False."""

from Crypto.Signature import pkcs1_15
from Crypto.Signature._older import answering


def new(rsa_key):
    return answering(pkcs1_15.new(rsa_key))
