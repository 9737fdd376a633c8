"""The older form of `pkcs1_15`, which answers True or False."""

from Crypto.Signature import pkcs1_15


def new(rsa_key):
    scheme = pkcs1_15.new(rsa_key)
    checked = scheme.verify

    def verify(msg_hash, signature):
        try:
            checked(msg_hash, signature)
        except (ValueError, TypeError):
            return False
        return True

    scheme.verify = scheme._verify = verify
    return scheme
