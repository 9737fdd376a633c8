"""Connections, which the host makes: what stands behind the descriptor of a socket.

A connection is a channel of the host's. It is opened by name, as the sandbox resolves none, and TLS is done outside.
Modules of the standard library that are C elsewhere stand on this one:

    sockets     `_socket`
    waiting     `select`, and the selectors
    tls         `_ssl`

Everything above them (`socket`, `ssl`, asyncio's transports, http.client) is CPython's own.
"""

from .kept import __builtins__

import errno
import itertools
import os
import time
import weakref
from posix import urandom

from _socket import EAI_NONAME, gaierror

from . import host
from .errors import NetworkDenied

READ = 1
WRITE = 2

CHUNK = 1 << 18
"""Bytes that cross to the host at a time, at most."""

_NUMBERS = {
    "REFUSED": errno.ECONNREFUSED,
    "UNREACHABLE": errno.ENETUNREACH,
    "TIMED_OUT": errno.ETIMEDOUT,
    "RESET": errno.ECONNRESET,
}
KINDS = {
    None: lambda text: NetworkDenied(errno.EACCES, text),
    "NO_NAME": lambda text: gaierror(EAI_NONAME, text),
}
"""The exception for a kind of failure. `tls` adds its own; for all others OSError finds the class by its number."""


def problem(failure):
    """The exception that a script gets for a failure."""
    kind, text = failure
    return KINDS[kind](text) if kind in KINDS else OSError(_NUMBERS[kind], text)


def refusal(name, port):
    """The exception of a connection that no grant covers; None when one does."""
    text = host.refusal(name, port)
    return None if text is None else KINDS[None](text)


def error(number):
    """The exception that the system would raise with this number."""
    return OSError(number, os.strerror(number))


def no_server():
    """The refusal of everything that waits for others to connect."""
    return PermissionError(errno.EACCES, "a script cannot wait for connections: start a run for each piece of work")


def no_datagrams():
    """The refusal of everything but TCP."""
    return PermissionError(errno.EACCES, "a sandbox has TCP connections only: no UDP, no raw and no Unix sockets")


def no_descriptors():
    """The refusal to wait for files and pipes."""
    return OSError(errno.ENOSYS, "a sandbox has no file descriptors to wait for: read files directly")


class Connection:
    """A connection, or the place for one."""

    __slots__ = (
        "channel",
        "name",
        "connected",
        "settled",
        "failure",
        "asked",
        "encrypted",
        "queue",
        "read_shut",
        "write_shut",
        "options",
        "users",
        "peer",
        "__weakref__",
    )

    def __init__(self):
        self.channel = None
        self.name = self.peer = None
        self.connected = False
        # Whether nothing is under way: neither connecting nor a handshake.
        self.settled = False
        # Kind and text of why the connection was not made or the handshake failed.
        self.failure = None
        # The TLS object in memory whose handshake is under way.
        self.asked = None
        self.encrypted = False
        # What is read before the channel is asked.
        self.queue = b""
        self.read_shut = self.write_shut = False
        self.options = {}
        # Sockets that hold it.
        self.users = 0

    def open(self, name, port):
        """Begins to connect."""
        try:
            self.channel = host.Channel.open(name, port)
        except host.Err as failed:
            raise problem(host.failure(failed)) from None
        # What is still open when the run ends is closed by the host, with the sandbox.
        self.channel.finalizer.atexit = False
        self.name = name
        self.settled = self.connected = False

    def settle(self):
        """Whether what was under way is over, well or not."""
        if self.settled:
            return True
        if self.channel is None:
            raise error(errno.ENOTCONN)
        try:
            if not self.channel.established():
                return False
            self.connected = True
        except host.Err as failed:
            self.failure = host.failure(failed)
        self.settled = True
        if self.asked is not None:
            self._answer(self.failure)
        return True

    def take_failure(self):
        """The exception of an attempt to connect that failed, or None. Another attempt may follow."""
        failure, self.failure = self.failure, None
        if failure is None:
            return None
        if not self.connected:
            self.drop()
        return problem(failure)

    def _use(self):
        """Whether the channel can be used by now."""
        if not (self.settled or self.settle()):
            return False
        if self.failure is not None:
            raise problem(self.failure)
        return True

    def read(self, size, peek=False):
        """At most `size` bytes; `b""` at the end; None when there are none yet."""
        if not self._use():
            return None
        data = self.queue
        if len(data) < size and not self.read_shut:
            try:
                more = self.channel.read(min(size - len(data), CHUNK))
            except host.Err as failed:
                # It fails again when there is nothing before it.
                if not data:
                    raise problem(host.failure(failed)) from None
                more = None
            if not data and more == b"":
                return None
            # The end of the stream is found again by whoever reads next.
            data += more or b""
        self.queue = data if peek else data[size:]
        return data[:size]

    def write(self, view):
        """How many of the bytes were taken."""
        if not self._use():
            return 0
        if self.write_shut:
            raise error(errno.EPIPE)
        if handshakes:
            data = bytes(view)
            at = data.find(mark())
            if at == 0 and (asked := handshakes.pop(data[:MARK_SIZE], None)) is not None:
                asked.connection = self
                self.asked = asked
                if failure := self.start_tls(asked.name, asked.verify, asked.protocols):
                    self._answer(failure)
                return MARK_SIZE
            if at > 0:
                # What comes before the handshake goes out before it.
                view = view[:at]
        try:
            return self.channel.write(bytes(view[:CHUNK]))
        except host.Err as failed:
            raise problem(host.failure(failed)) from None

    def start_tls(self, name, verify, protocols):
        """Begins the handshake. The failure, if it cannot."""
        if self.encrypted:
            return "TLS", "TLS inside TLS is not possible: TLS is done outside the sandbox, once for a connection"
        if self.queue:
            return "TLS", "the other side sent something before TLS was started, which has not been read"
        if name is None or _plain(name) == _plain(self.name):
            name = self.name
        try:
            self.channel.start_tls(name, verify, protocols)
        except host.Err as failed:
            return host.failure(failed)
        self.encrypted = True
        self.settled = False
        return None

    def _answer(self, failure):
        """Ends the wait of the TLS object in memory, by bytes that it reads through whatever lies between.

        Failures that are not the handshake's own come where they come without TLS: when the socket is used.
        """
        if failure is None or failure[0] in (None, "TLS", "CERTIFICATE"):
            self.asked.failure = failure
            self.failure = None
            self.queue = self.asked.marker
        self.asked = None

    def ready(self):
        """The events that are known without asking the host."""
        if self.channel is None or self.failure is not None:
            return READ | WRITE
        return (READ if self.queue or self.read_shut else 0) | (WRITE if self.write_shut else 0)

    def shutdown(self, read, write):
        if self.channel is None:
            raise error(errno.ENOTCONN)
        self.read_shut |= read
        if write and not self.write_shut:
            self.write_shut = True
            try:
                self.channel.shutdown()
            except host.Err as failed:
                raise problem(host.failure(failed)) from None

    def drop(self):
        """Ends the connection."""
        channel, self.channel = self.channel, None
        self.settled = self.connected = False
        # Whoever drops it last may do so when the run has ended and its finalizers have been called.
        if channel is not None and (detached := channel.finalizer.detach()) is not None:
            _, close, arguments, _ = detached
            close(*arguments)


def _plain(name):
    return name.rstrip(".").lower()


def wait(wanted, timeout):
    """Waits for events of connections, given in pairs; the time is in seconds, None: for ever. Returns the events that
    have come, in the same order."""
    deadline = time.monotonic() + timeout if timeout is not None and timeout > 0 else None
    left = timeout
    while True:
        found = [connection.ready() & events for connection, events in wanted]
        if any(found):
            left = 0
        interests, places = _interests(wanted, found)
        # No crossing to the host where nothing can come of it.
        for position in host.wait(interests, left) if interests or left is None or left > 0 else ():
            place, event = places[position]
            connection, events = wanted[place]
            if event:
                found[place] |= event
            elif connection.settle():
                # Whoever waits for a handshake waits to read, most often, and now is the time to go on.
                found[place] |= events & (connection.ready() | WRITE | (READ if connection.encrypted else 0))
        if any(found) or deadline is None and left is not None:
            return found
        # A connection was established, which only wants to be read: now it is waited for again.
        if deadline is not None and (left := deadline - time.monotonic()) <= 0:
            return found


def _interests(wanted, found):
    """What the host is asked for, and for each the place it is for and the event it means."""
    interests = []
    places = []
    for place, (connection, events) in enumerate(wanted):
        events &= ~found[place]
        if events and not connection.settled:
            # Ready for nothing before it is established, and then for writing first of all.
            interests.append(host.Interest(connection.channel, False, True))
            places.append((place, 0))
            continue
        # One by one, because the host says which interest has come true, not which half of it.
        for event in (READ, WRITE):
            if events & event:
                interests.append(host.Interest(connection.channel, event == READ, event == WRITE))
                places.append((place, event))
    return interests, places


# Descriptors

FIRST = 1000
"""The first number that a socket gets: none that a file may have."""

_counter = itertools.count(FIRST)
_numbered = weakref.WeakValueDictionary()
_detached = {}
"""Connections whose descriptor no socket holds."""


def number(connection):
    """A new descriptor of the connection."""
    new = next(_counter)
    _numbered[new] = connection
    return new


known = _numbered.get
"""The connection behind a descriptor, or None."""


def find(descriptor):
    """The connection behind a descriptor."""
    connection = known(descriptor)
    if connection is None:
        raise error(errno.EBADF) if descriptor >= FIRST else no_descriptors()
    return connection


def take(descriptor):
    """The connection, for a socket that holds it from now on."""
    connection = known(descriptor)
    if connection is None:
        raise PermissionError(errno.EACCES, "a sandbox has no open sockets to take over")
    connection.users += 1
    _detached.pop(descriptor, None)
    return connection


def keep(descriptor, connection):
    """Whoever has the descriptor has the connection."""
    _detached[descriptor] = connection


def detach(descriptor, connection):
    """A socket no longer holds it; the descriptor lives on."""
    connection.users -= 1
    if not connection.users:
        keep(descriptor, connection)


def release(descriptor, connection):
    """A socket no longer holds it, and the descriptor is closed."""
    connection.users -= 1
    _numbered.pop(descriptor, None)
    if not connection.users and connection not in _detached.values():
        connection.drop()


# Handshakes in memory

# A TLS object in memory (`ssl.SSLObject`) does not know its socket: it gives bytes to whoever carries them to one. So
# it sends a marker, which the connection takes for its own when it comes by; the same marker, read from the connection,
# says that the handshake is over.

handshakes = {}
"""Markers that were handed out, and the TLS objects that wait for them to arrive."""

_MARK = []
MARK_SIZE = 24


def mark():
    """What all markers of this run begin with. Nobody outside can guess it."""
    if not _MARK:
        _MARK.append(urandom(MARK_SIZE - 8))
    return _MARK[0]


def marker(asked):
    """A marker for this TLS object."""
    made = mark() + next(_counter).to_bytes(8)
    handshakes[made] = asked
    return made


# What the library above must do differently


def adapt_urllib_request(request):
    """Lets a refusal through as it is: urllib wraps every OSError in a URLError."""

    def unwrapped(function):
        def call(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except request.URLError as error:
                for refusal in (error.reason, error.__cause__):
                    if isinstance(refusal, NetworkDenied):
                        raise refusal from None
                raise

        return call

    request.AbstractHTTPHandler.do_open = unwrapped(request.AbstractHTTPHandler.do_open)
    request.FTPHandler.ftp_open = unwrapped(request.FTPHandler.ftp_open)
