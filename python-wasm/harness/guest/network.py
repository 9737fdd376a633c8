"""The network that is not there: every way to open a connection ends in a sentence that says what to ask for.

Nothing of WASI's own sockets is used: a refusal must name host and port, which are known only where a connection is
opened.
"""

from .kept import __builtins__

import errno

from .errors import NetworkDenied

_USUAL_PORTS = (80, 443)


def denied(host, port):
    """The refusal of one destination."""
    host = host.decode("utf-8", "replace") if isinstance(host, (bytes, bytearray)) else str(host)
    shown = f"[{host}]" if ":" in host else host
    grant = shown if port in _USUAL_PORTS or port is None else f"{shown}:{port}"
    where = shown if port is None else f"{shown}:{port}"
    return NetworkDenied(f'{where} is not allowed for this script; add --allow-host {grant} (or allow = ["{grant}"])')


def adapt_socket(socket):
    """Lets sockets be made and set up, and refuses to use them.

    No descriptor stands behind them: libraries make a socket and set options long before they name a destination.
    """

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is not None:
            raise PermissionError(errno.EACCES, "a sandbox has no open sockets to take over")
        self._io_refs = 0
        self._closed = False

    def connect(self, address):
        raise _denied_address(address)

    def connect_ex(self, address):
        raise _denied_address(address)

    def sendto(self, data, *flags_and_address):
        raise _denied_address(flags_and_address[-1] if flags_and_address else None)

    def bind(self, address):
        raise no_server()

    def listen(self, backlog=0):
        raise no_server()

    def ignore(self, *args):
        pass

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        raise denied(host, port)

    def create_connection(address, *args, **kwargs):
        raise _denied_address(address)

    def create_server(address, **kwargs):
        raise no_server()

    def by_name(host, *args):
        raise denied(host, None)

    def socketpair(*args, **kwargs):
        raise PermissionError(errno.EACCES, "a sandbox has no other thread or process to talk to: use a queue")

    for method in (__init__, connect, connect_ex, sendto, bind, listen):
        setattr(socket.socket, method.__name__, method)
    for name in ("settimeout", "setblocking", "setsockopt"):
        setattr(socket.socket, name, ignore)
    for function in (getaddrinfo, create_connection, create_server, socketpair):
        setattr(socket, function.__name__, function)
    for name in ("gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        setattr(socket, name, by_name)


def adapt_http_client(client):
    """Gives `http.client` its HTTPSConnection, which CPython leaves out where there is no `ssl`."""

    class HTTPSConnection(client.HTTPConnection):
        """A connection over TLS, which is done outside the sandbox."""

        default_port = client.HTTPS_PORT

        def __init__(
            self,
            host,
            port=None,
            *,
            timeout=client.socket._GLOBAL_DEFAULT_TIMEOUT,
            source_address=None,
            context=None,
            blocksize=8192,
        ):
            super().__init__(host, port, timeout, source_address, blocksize)

    HTTPSConnection.__module__ = client.__name__
    HTTPSConnection.__qualname__ = "HTTPSConnection"
    client.HTTPSConnection = HTTPSConnection
    client._create_https_context = lambda http_version: None
    client.__all__.append("HTTPSConnection")


def adapt_urllib_request(request):
    """Lets a refusal through as it is: urllib wraps every OSError in a URLError."""
    wrapped = request.AbstractHTTPHandler.do_open

    def do_open(self, http_class, req, **connection_arguments):
        try:
            return wrapped(self, http_class, req, **connection_arguments)
        except request.URLError as error:
            if isinstance(error.reason, NetworkDenied):
                raise error.reason from None
            raise

    request.AbstractHTTPHandler.do_open = do_open
    ftp_open = request.FTPHandler.ftp_open

    def open_ftp(self, req):
        try:
            return ftp_open(self, req)
        except request.URLError as error:
            if isinstance(error.reason, NetworkDenied):
                raise error.reason from None
            raise

    request.FTPHandler.ftp_open = open_ftp


def _denied_address(address):
    if isinstance(address, tuple) and len(address) >= 2:
        return denied(address[0], address[1])
    return denied(address, None)


def no_server():
    """The refusal of everything that waits for others to connect."""
    return PermissionError(errno.EACCES, "a script cannot wait for connections: start a run for each piece of work")
