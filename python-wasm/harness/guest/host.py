"""The host's functions, as the rest of the harness calls them."""

from .kept import __builtins__

import time

from componentize_py_types import Err
from wit_world.imports import host as _host

loaded = _host.loaded
importing = _host.importing
MARK = b"\0"
"""What `loaded` is given: a byte somewhere in memory."""

Channel = _host.Channel
Interest = _host.Interest


_FOR_EVER = (
    "this wait would never end: a run has one thread, and nothing in it can release, set, put or finish what is waited "
    "for; give the wait a timeout, or do that work first"
)


def wait(interests, seconds):
    """Sleeps until a channel is ready or the time is over (None: there is no end). Returns the positions that are ready.
    The sandbox's thread is free for other runs meanwhile.

    This is the one place that decides what waiting means in a run: it costs nothing, and where nothing could end it, it
    raises at once.
    """
    if seconds is None and not interests:
        raise RuntimeError(_FOR_EVER)
    # Rounded up: a timer must be due when its sleep is over, or the loop would spin through the last fraction.
    nanoseconds = None if seconds is None else min(int(seconds * 1e9) + 1, 2**63) if seconds > 0 else 0
    return _host.wait(interests, nanoseconds)


def sleep(seconds):
    """Sleeps. None is a wait that only another thread could end: it raises."""
    wait([], seconds)


def cpu_time():
    """Nanoseconds of CPU that the script has used."""
    return _host.cpu_time()


monotonic = time.monotonic


def failure(error):
    """What an error of a channel says: the name of its kind (None: no grant covers it), and a sentence."""
    if type(error.value) is _host.ChannelError_Denied:
        return None, error.value.value
    kind, text = error.value.value
    return kind.name, text


def refusal(name, port):
    """Why no grant covers this name and port, as a sentence; None when one does."""
    try:
        _host.allowed(name, port)
    except Err as error:
        return error.value
    return None


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
