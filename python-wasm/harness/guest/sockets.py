"""The C module `_socket`, for sockets that are connections of the host's.

The descriptor of a socket is a number of the harness's own. Names are not resolved: an address holds the name itself,
and the host connects by it.
"""

from .kept import __builtins__

import errno
import time

import _socket
from _socket import AF_INET, AF_INET6, AI_NUMERICHOST, EAI_FAMILY, EAI_NONAME, EAI_SERVICE, EAI_SOCKTYPE, IPPROTO_TCP
from _socket import MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, SHUT_RD, SHUT_RDWR, SHUT_WR, SO_ERROR, SO_RCVBUF, SO_SNDBUF
from _socket import SO_TYPE, SOCK_STREAM, SOL_SOCKET, gaierror, inet_pton

from . import network
from .network import READ, WRITE, error

_HOST_NAME = "sandbox"
_LOCAL = ("localhost", _HOST_NAME)
_KIND = 0xF
"""The bits of a socket's type that are not flags (SOCK_NONBLOCK, SOCK_CLOEXEC)."""


def _table(text):
    return {name: int(number) for name, number in (entry.split("=") for entry in text.split())}


_SERVICES = _table("""
    ftp-data=20 ftp=21 ssh=22 telnet=23 smtp=25 domain=53 http=80 pop3=110 nntp=119 ntp=123 imap2=143 imap=143 ldap=389
    https=443 submissions=465 submission=587 ldaps=636 ftps=990 imaps=993 pop3s=995 mysql=3306 postgresql=5432
""")

_MISSING = _table("""
    AF_UNIX=3 SOCK_RAW=3 SO_REUSEPORT=15 SO_LINGER=13 SO_BROADCAST=6 SO_OOBINLINE=10 SO_DONTROUTE=5 SO_RCVLOWAT=18
    SO_SNDLOWAT=19 SO_BINDTODEVICE=25 SO_PRIORITY=12 SO_MARK=36
""")
"""What CPython lacks on WASI, with Linux's numbers, except for AF_UNIX: Linux's is AF_INET there."""

_OWN = ("", "0.0.0.0", "127.0.0.1", "::", "::1", "localhost")
"""Addresses of the own machine."""
_default = [None]


class socket:
    """A TCP connection, not yet, now, or no more; anything else only in name."""

    __slots__ = ("_connection", "_number", "_family", "_type", "_proto", "_timeout")

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        self._number = -1
        self._family = AF_INET if family == -1 else int(family)
        kind = SOCK_STREAM if type == -1 else int(type)
        self._type = kind & _KIND
        self._proto = 0 if proto == -1 else int(proto)
        self._timeout = 0.0 if kind & getattr(_socket, "SOCK_NONBLOCK", 0) & ~_KIND else _default[0]
        if fileno is None:
            self._connection = network.Connection()
            self._connection.users = 1
            self._number = network.number(self._connection)
        else:
            self._connection = network.take(fileno)
            self._number = fileno

    family = property(lambda self: self._family)
    type = property(lambda self: self._type)
    proto = property(lambda self: self._proto)
    timeout = property(lambda self: self._timeout)

    def fileno(self):
        return self._number

    def close(self):
        if self._number != -1:
            connection, number = self._connection, self._number
            self._connection, self._number = None, -1
            network.release(number, connection)

    def detach(self):
        number = self._number
        if number != -1:
            network.detach(number, self._connection)
            self._connection, self._number = None, -1
        return number

    # How long to wait.

    def settimeout(self, value):
        if value is not None:
            value = float(value)
            if not value >= 0:
                raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self):
        return self._timeout

    def setblocking(self, flag):
        self._timeout = None if flag else 0.0

    def getblocking(self):
        return self._timeout != 0

    def _wait(self, event, deadline, flags=0):
        """Sleeps until there is something to try again. Returns when the socket's time is over (None: never)."""
        timeout = self._timeout
        if timeout == 0 or flags & MSG_DONTWAIT:
            raise error(errno.EAGAIN)
        left = None
        if timeout is not None:
            now = time.monotonic()
            deadline = deadline or now + timeout
            left = deadline - now
        if left is not None and left <= 0 or not network.wait([(self._connection, event)], left)[0]:
            raise TimeoutError("timed out")
        return deadline

    # Connecting.

    def _open(self):
        """The connection, when there may be one."""
        if self._connection is None:
            raise error(errno.EBADF)
        if self._type != SOCK_STREAM or self._family not in (AF_INET, AF_INET6):
            raise network.no_datagrams()
        return self._connection

    def connect(self, address, /):
        connection = self._open()
        name, port = _destination(address, self._family)
        if connection.channel is None:
            connection.open(name, port)
            connection.peer = address
            if self._timeout == 0:
                raise error(errno.EINPROGRESS)
        elif connection.connected:
            raise error(errno.EISCONN)
        deadline = None
        while not connection.settle():
            if self._timeout == 0:
                raise error(errno.EALREADY)
            deadline = self._wait(WRITE, deadline)
        if failed := connection.take_failure():
            raise failed

    def connect_ex(self, address, /):
        try:
            self.connect(address)
        except (gaierror, PermissionError):
            # What was typed wrong, and what must be said in words.
            raise
        except OSError as failed:
            return failed.errno or errno.EAGAIN
        return 0

    def connection_failure(self):
        """The exception of an attempt to connect that failed meanwhile, or None."""
        connection = self._open()
        return connection.take_failure() if connection.channel is not None and connection.settle() else None

    def getpeername(self):
        connection = self._open()
        if connection.channel is None or not (connection.connected or connection.settle() and connection.connected):
            raise error(errno.ENOTCONN)
        return connection.peer

    def getsockname(self):
        connection = self._connection
        if connection is None:
            raise error(errno.EBADF)
        if self._family not in (AF_INET, AF_INET6):
            return ""
        port = 0 if connection.channel is None else 31768 + self._number % 32768
        return ("::", port, 0, 0) if self._family == AF_INET6 else ("0.0.0.0", port)

    def shutdown(self, how, /):
        if how not in (SHUT_RD, SHUT_WR, SHUT_RDWR):
            raise error(errno.EINVAL)
        self._open().shutdown(how != SHUT_WR, how != SHUT_RD)

    def bind(self, address, /):
        # Any port of one's own: what a client may ask for before it connects, and how libraries find out whether there is
        # IPv6. The host chooses the address.
        name, port = address[:2] if isinstance(address, tuple) else (None, None)
        if self._type != SOCK_STREAM or port != 0 or name not in _OWN:
            raise network.no_server()
        self._open()

    def listen(self, backlog=0, /):
        raise network.no_server()

    def _accept(self):
        raise network.no_server()

    # Options, which are remembered and have no effect.

    def setsockopt(self, level, option, *value):
        if self._connection is None:
            raise error(errno.EBADF)
        self._connection.options[level, option] = value[0]

    def getsockopt(self, level, option, size=None, /):
        if self._connection is None:
            raise error(errno.EBADF)
        # Libraries read as much at a time as the buffers hold.
        usual = network.CHUNK if level == SOL_SOCKET and option in (SO_RCVBUF, SO_SNDBUF) else 0
        value = self._connection.options.get((level, option), usual)
        if level == SOL_SOCKET and option == SO_TYPE:
            value = self._type
        elif level == SOL_SOCKET and option == SO_ERROR:
            failed = self.connection_failure()
            # A name that does not exist has a number that is not the system's.
            number = errno.EHOSTUNREACH if isinstance(failed, gaierror) else failed and failed.errno
            value = number or 0
        if size is None or isinstance(value, (bytes, bytearray)):
            return value
        return int(value or 0).to_bytes(max(size, 4), "little", signed=True)[:size]

    # Sending.

    def send(self, data, flags=0, /):
        connection = self._open()
        view = memoryview(data).cast("B")
        deadline = None
        while not (taken := connection.write(view)) and view:
            deadline = self._wait(WRITE, deadline, flags)
        return taken

    def sendall(self, data, flags=0, /):
        connection = self._open()
        view = memoryview(data).cast("B")
        deadline = None
        while view:
            if taken := connection.write(view):
                view = view[taken:]
            else:
                deadline = self._wait(WRITE, deadline, flags)

    def sendmsg(self, buffers, ancdata=(), flags=0, address=None, /):
        parts = []
        size = 0
        for buffer in buffers:
            parts.append(buffer)
            size += memoryview(buffer).nbytes
            if size >= network.CHUNK:
                break
        return self.send(b"".join(parts), flags)

    def sendto(self, data, *flags_and_address):
        connection = self._open()
        raise error(errno.ENOTCONN if connection.channel is None else errno.EISCONN)

    # Receiving.

    def recv(self, size, flags=0, /):
        if size < 0:
            raise ValueError("negative buffersize in recv")
        connection = self._open()
        if size == 0:
            return b""
        peek = bool(flags & MSG_PEEK)
        got = b""
        deadline = None
        while True:
            data = connection.read(size - len(got), peek)
            if data is None:
                deadline = self._wait(READ, deadline, flags)
                continue
            got = got + data if got else data
            if not data or peek or len(got) == size or not flags & MSG_WAITALL:
                return got

    def recv_into(self, buffer, nbytes=0, flags=0):
        view = memoryview(buffer).cast("B")
        if not 0 <= nbytes <= len(view):
            raise ValueError("negative buffersize in recv_into or buffer too small for requested bytes")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, size, flags=0, /):
        return self.recv(size, flags), None

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        return self.recv_into(buffer, nbytes, flags), None

    def recvmsg(self, size, ancillary=0, flags=0, /):
        return self.recv(size, flags), [], 0, None

    def recvmsg_into(self, buffers, ancillary=0, flags=0, /):
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data = memoryview(self.recv(sum(map(len, views)), flags))
        size = len(data)
        for view in views:
            part = data[: len(view)]
            view[: len(part)] = part
            data = data[len(part) :]
        return size, [], 0, None


socket.__module__ = "_socket"


# Descriptors


def dup(descriptor):
    connection = network.find(descriptor)
    new = network.number(connection)
    network.keep(new, connection)
    return new


def close(descriptor):
    connection = network.take(descriptor)
    network.release(descriptor, connection)


def getdefaulttimeout():
    return _default[0]


def setdefaulttimeout(timeout, /):
    if timeout is not None and not (timeout := float(timeout)) >= 0:
        raise ValueError("Timeout value out of range")
    _default[0] = timeout


def socketpair(*args, **kwargs):
    raise PermissionError(errno.EACCES, "a sandbox has no other thread or process to talk to: use a queue")


# Names


def _text(host):
    """A name as it goes out: ASCII."""
    if isinstance(host, (bytes, bytearray)):
        return host.decode("ascii")
    if not isinstance(host, str):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _destination(address, family):
    """Name and port of an address."""
    if not isinstance(address, tuple):
        raise TypeError(f"connect(): address must be tuple, not {type(address).__name__}")
    if not 2 <= len(address) <= (4 if family == AF_INET6 else 2):
        raise TypeError("connect(): an address is a pair (host, port)")
    name, port = address[:2]
    if not 0 <= port.__index__() <= 0xFFFF:
        raise OverflowError("connect(): port must be 0-65535.")
    return _text(name) or "localhost", port


def _literal(name):
    """The family of a numeric address, or None for a name."""
    for family in (AF_INET, AF_INET6):
        try:
            inet_pton(family, name)
            return family
        except (OSError, ValueError):
            pass
    return None


def _port(port):
    """The number of a port or service."""
    if port is None or port == b"" or port == "":
        return 0
    if isinstance(port, int):
        return port & 0xFFFF
    if isinstance(port, bytes):
        port = port.decode()
    if not isinstance(port, str):
        raise OSError("Int or String expected")
    if port.isdecimal() and port.isascii():
        return int(port) & 0xFFFF
    if port not in _SERVICES:
        raise gaierror(EAI_SERVICE, "Servname not supported for ai_socktype")
    return _SERVICES[port]


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """The name itself, as the one address it has."""
    if host is None or len(host) == 0:
        # Any address, or the own machine's: both mean a server in here.
        raise network.no_server()
    name = _text(host)
    if family not in (0, AF_INET, AF_INET6):
        raise gaierror(EAI_FAMILY, "ai_family not supported")
    if type & _KIND not in (0, SOCK_STREAM) or proto not in (0, IPPROTO_TCP):
        raise gaierror(EAI_SOCKTYPE, "a sandbox has TCP connections only")
    literal = _literal(name)
    if literal is None and flags & AI_NUMERICHOST or literal and family and literal != family:
        raise gaierror(EAI_NONAME, "Name or service not known")
    family = family or literal or AF_INET
    address = (name, _port(port))
    # Where it is known already, the refusal is best made here: libraries that try several addresses drop the reason why
    # a connection failed.
    if address[1] and (refusal := network.refusal(*address)) is not None:
        raise refusal
    return [(family, SOCK_STREAM, IPPROTO_TCP, "", address if family == AF_INET else (*address, 0, 0))]


def gethostbyname(host, /):
    name = _text(host)
    return "127.0.0.1" if name in _LOCAL else name


def gethostbyname_ex(host, /):
    return _text(host), [], [gethostbyname(host)]


def gethostbyaddr(host, /):
    return gethostbyname_ex(host)


def gethostname():
    return _HOST_NAME


def getnameinfo(address, flags, /):
    return _text(address[0]), str(address[1])


def getservbyname(service, protocol="tcp", /):
    if service not in _SERVICES:
        raise OSError("service/proto not found")
    return _SERVICES[service]


def getservbyport(port, protocol="tcp", /):
    for service, number in _SERVICES.items():
        if number == port:
            return service
    raise OSError("port/proto not found")


def install(module):
    """Puts all of it into the C module, from which `socket` takes everything."""
    for thing in (socket, dup, close, getdefaulttimeout, setdefaulttimeout, socketpair, getaddrinfo, gethostbyname):
        setattr(module, thing.__name__, thing)
    for thing in (gethostbyname_ex, gethostbyaddr, gethostname, getnameinfo, getservbyname, getservbyport):
        setattr(module, thing.__name__, thing)
    module.SocketType = socket
    module.has_ipv6 = True
    for name, value in _MISSING.items():
        if not hasattr(module, name):
            setattr(module, name, value)


def adapt_socket(module):
    """What the module above would ask the system about a descriptor."""

    def create_server(address, **kwargs):
        raise network.no_server()

    def get_inheritable(self):
        return False

    def set_inheritable(self, inheritable):
        pass

    module.create_server = create_server
    module.socket.get_inheritable = get_inheritable
    module.socket.set_inheritable = set_inheritable
