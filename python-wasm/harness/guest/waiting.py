"""The C module `select`, and the selectors, for the descriptors of connections."""

from .kept import __builtins__

import select as _select
import selectors

from . import host, network
from .network import READ, WRITE

_IN = _select.POLLIN
_OUT = _select.POLLOUT


def _number(thing):
    """The descriptor of an object."""
    if isinstance(thing, int):
        number = thing
    elif (fileno := getattr(thing, "fileno", None)) is None:
        raise TypeError("argument must be an int, or have a fileno() method.")
    elif not isinstance(number := fileno(), int):
        raise TypeError("fileno() returned a non-integer")
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


def select(rlist, wlist, xlist, timeout=None, /):
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    events = {}
    asked = []
    for things, event in ((rlist, READ), (wlist, WRITE), (xlist, 0)):
        asked.append([(thing, _number(thing)) for thing in things])
        for _, number in asked[-1]:
            events[number] = events.get(number, 0) | event
    found = dict(zip(events, network.wait([(network.find(number), mask) for number, mask in events.items()], timeout)))
    readable = [thing for thing, number in asked[0] if found[number] & READ]
    writable = [thing for thing, number in asked[1] if found[number] & WRITE]
    return readable, writable, []


class poll:
    """What `select.poll()` gives."""

    def __init__(self):
        self._masks = {}

    def register(self, thing, mask=_IN | _OUT, /):
        self._masks[_number(thing)] = mask

    def modify(self, thing, mask, /):
        if (number := _number(thing)) not in self._masks:
            raise FileNotFoundError(2, "No such file or directory")
        self._masks[number] = mask

    def unregister(self, thing, /):
        del self._masks[_number(thing)]

    def poll(self, timeout=None, /):
        wanted = [
            (network.find(number), (READ if mask & _IN else 0) | (WRITE if mask & _OUT else 0))
            for number, mask in self._masks.items()
        ]
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        result = []
        for (number, _), (connection, _), found in zip(self._masks.items(), wanted, network.wait(wanted, seconds)):
            event = (_IN if found & READ else 0) | (_OUT if found & WRITE else 0)
            if found and connection.failure is not None:
                event |= _select.POLLERR
            if event:
                result.append((number, event))
        return result


class PollSelector(selectors._BaseSelectorImpl):
    """The one selector there is."""

    def register(self, fileobj, events, data=None):
        network.find(self._fileobj_lookup(fileobj))
        return super().register(fileobj, events, data)

    def select(self, timeout=None):
        if not self._fd_to_key:
            # A loop without connections, the common case. No crossing to the host when callbacks are due already.
            if timeout is None or timeout > 0:
                host.sleep(timeout)
            return []
        keys = []
        wanted = []
        for number, key in self._fd_to_key.items():
            # What was closed without being unregistered is never ready again.
            if (connection := network.known(number)) is not None:
                keys.append(key)
                wanted.append((connection, key.events))
        return [(key, found) for key, found in zip(keys, network.wait(wanted, timeout)) if found]


PollSelector.__module__ = "selectors"


def install(module):
    """Puts it into the C module."""
    module.select = select
    module.poll = poll


def adapt_selectors(module):
    # READ and WRITE are EVENT_READ and EVENT_WRITE.
    module.DefaultSelector = module.PollSelector = module.SelectSelector = PollSelector
