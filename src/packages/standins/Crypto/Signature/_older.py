"""What the older forms of signatures have in common: they answer True or False."""


def answering(scheme):
    """The scheme, whose `verify` answers instead of raising."""
    checked = scheme.verify

    def verify(msg_hash, signature):
        try:
            checked(msg_hash, signature)
        except (ValueError, TypeError):
            return False
        return True

    scheme.verify = scheme._verify = verify
    return scheme
