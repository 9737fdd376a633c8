"""There is one way in which things are done."""


def default_backend():
    return None
