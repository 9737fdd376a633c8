"""Finding libraries, of which a sandbox has none."""


def find_library(name):
    """None, as where no such library is installed."""
    return None


def find_msvcrt():
    """None, as on other systems than Windows."""
    return None


def dllist():
    """No library is loaded."""
    return []
