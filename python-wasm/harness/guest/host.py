"""The host's functions, as the rest of the harness calls them."""

from .kept import __builtins__

from componentize_py_types import Err
from wit_world.imports import host as _host

loaded = _host.loaded
MARK = b"\0"
"""What `loaded` is given: a byte somewhere in memory."""


def sleep(seconds):
    """Sleeps; for ever when `seconds` is None. The sandbox's thread is free for other runs meanwhile."""
    # Rounded up: a timer must be due when its sleep is over, or the loop would spin through the last fraction.
    _host.wait([], None if seconds is None else min(int(seconds * 1e9) + 1, 2**63))


def ask(verb):
    """The node's answer to a verb without parameters, as JSON text."""
    try:
        return _host.call(verb, "{}")
    except Err as error:
        raise RuntimeError(error.value) from None


def tell(verb, request):
    """Tells the node something, as JSON text; its answer, as JSON text."""
    try:
        return _host.call(verb, request)
    except Err as error:
        raise RuntimeError(error.value) from None
