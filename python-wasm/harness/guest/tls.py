"""The C module `_ssl`, for TLS that is done outside the sandbox.

`ssl` above it is CPython's own, and what it is told applies where the host can do it: whether to verify, and the
application protocols to offer. The host verifies the name together with the certificate, against its own roots, with
the versions and ciphers that it finds good: what a script sets for these is remembered and has no effect. A connection
that has gone over to TLS does not come back.
"""

from .kept import __builtins__

import types
import weakref
from importlib.machinery import ModuleSpec
from posix import urandom

from . import certificates, network

_NUMBERS = """
    CERT_NONE=0 CERT_OPTIONAL=1 CERT_REQUIRED=2
    ENCODING_PEM=1 ENCODING_DER=2
    PROTOCOL_SSLv23=2 PROTOCOL_TLS=2 PROTOCOL_TLSv1=3 PROTOCOL_TLSv1_1=4 PROTOCOL_TLSv1_2=5 PROTOCOL_TLS_CLIENT=16
    PROTOCOL_TLS_SERVER=17
    PROTO_MINIMUM_SUPPORTED=-2 PROTO_MAXIMUM_SUPPORTED=-1 PROTO_SSLv3=768 PROTO_TLSv1=769 PROTO_TLSv1_1=770
    PROTO_TLSv1_2=771 PROTO_TLSv1_3=772
    OP_ALL=0x80000050 OP_NO_SSLv2=0 OP_NO_SSLv3=0x2000000 OP_NO_TLSv1=0x4000000 OP_NO_TLSv1_2=0x8000000
    OP_NO_TLSv1_1=0x10000000 OP_NO_TLSv1_3=0x20000000 OP_NO_RENEGOTIATION=0x40000000 OP_NO_TICKET=16384
    OP_NO_COMPRESSION=0x20000 OP_ENABLE_MIDDLEBOX_COMPAT=0x100000 OP_CIPHER_SERVER_PREFERENCE=0x400000
    OP_SINGLE_DH_USE=0 OP_SINGLE_ECDH_USE=0 OP_LEGACY_SERVER_CONNECT=4 OP_ENABLE_KTLS=8 OP_IGNORE_UNEXPECTED_EOF=128
    VERIFY_DEFAULT=0 VERIFY_CRL_CHECK_LEAF=4 VERIFY_CRL_CHECK_CHAIN=12 VERIFY_X509_STRICT=32 VERIFY_ALLOW_PROXY_CERTS=64
    VERIFY_X509_TRUSTED_FIRST=32768 VERIFY_X509_PARTIAL_CHAIN=0x80000
    HOSTFLAG_ALWAYS_CHECK_SUBJECT=1 HOSTFLAG_NO_WILDCARDS=2 HOSTFLAG_NO_PARTIAL_WILDCARDS=4
    HOSTFLAG_MULTI_LABEL_WILDCARDS=8 HOSTFLAG_SINGLE_LABEL_SUBDOMAINS=16 HOSTFLAG_NEVER_CHECK_SUBJECT=32
    SSL_ERROR_SSL=1 SSL_ERROR_WANT_READ=2 SSL_ERROR_WANT_WRITE=3 SSL_ERROR_WANT_X509_LOOKUP=4 SSL_ERROR_SYSCALL=5
    SSL_ERROR_ZERO_RETURN=6 SSL_ERROR_WANT_CONNECT=7 SSL_ERROR_EOF=8 SSL_ERROR_INVALID_ERROR_CODE=10
    ALERT_DESCRIPTION_CLOSE_NOTIFY=0 ALERT_DESCRIPTION_UNEXPECTED_MESSAGE=10 ALERT_DESCRIPTION_BAD_RECORD_MAC=20
    ALERT_DESCRIPTION_RECORD_OVERFLOW=22 ALERT_DESCRIPTION_DECOMPRESSION_FAILURE=30
    ALERT_DESCRIPTION_HANDSHAKE_FAILURE=40 ALERT_DESCRIPTION_BAD_CERTIFICATE=42
    ALERT_DESCRIPTION_UNSUPPORTED_CERTIFICATE=43 ALERT_DESCRIPTION_CERTIFICATE_REVOKED=44
    ALERT_DESCRIPTION_CERTIFICATE_EXPIRED=45 ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN=46
    ALERT_DESCRIPTION_ILLEGAL_PARAMETER=47 ALERT_DESCRIPTION_UNKNOWN_CA=48 ALERT_DESCRIPTION_ACCESS_DENIED=49
    ALERT_DESCRIPTION_DECODE_ERROR=50 ALERT_DESCRIPTION_DECRYPT_ERROR=51 ALERT_DESCRIPTION_PROTOCOL_VERSION=70
    ALERT_DESCRIPTION_INSUFFICIENT_SECURITY=71 ALERT_DESCRIPTION_INTERNAL_ERROR=80 ALERT_DESCRIPTION_USER_CANCELLED=90
    ALERT_DESCRIPTION_NO_RENEGOTIATION=100 ALERT_DESCRIPTION_UNSUPPORTED_EXTENSION=110
    ALERT_DESCRIPTION_CERTIFICATE_UNOBTAINABLE=111 ALERT_DESCRIPTION_UNRECOGNIZED_NAME=112
    ALERT_DESCRIPTION_BAD_CERTIFICATE_STATUS_RESPONSE=113 ALERT_DESCRIPTION_BAD_CERTIFICATE_HASH_VALUE=114
    ALERT_DESCRIPTION_UNKNOWN_PSK_IDENTITY=115
"""
_CONSTANTS = {name: int(number, 0) for name, number in (entry.split("=") for entry in _NUMBERS.split())}
_CONSTANTS |= dict.fromkeys("HAS_SNI HAS_ECDH HAS_ALPN HAS_TLSv1_2 HAS_TLSv1_3".split(), True)
_CONSTANTS |= dict.fromkeys("HAS_TLS_UNIQUE HAS_NPN HAS_PSK HAS_PSK_TLS13 HAS_PHA HAS_SSLv2 HAS_SSLv3".split(), False)
_CONSTANTS |= dict.fromkeys("HAS_TLSv1 HAS_TLSv1_1".split(), False)
_CONSTANTS |= {
    # Libraries ask for OpenSSL and a recent version, and mean what comes with it.
    "OPENSSL_VERSION": "OpenSSL 3.5.0 (TLS is done outside the sandbox)",
    "OPENSSL_VERSION_NUMBER": 0x30500000,
    "OPENSSL_VERSION_INFO": (3, 5, 0, 0, 0),
    "_OPENSSL_API_VERSION": (3, 5, 0, 0, 0),
    "_DEFAULT_CIPHERS": "DEFAULT",
}

_PURPOSES = (
    (129, "serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"),
    (130, "clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"),
)
_CIPHERS = (
    ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256),
    ("TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", 256),
    ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2", 256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128),
)
_CLIENT = _CONSTANTS["PROTOCOL_TLS_CLIENT"]
_SERVER = _CONSTANTS["PROTOCOL_TLS_SERVER"]
_COUNTS = (
    "number connect connect_good connect_renegotiate accept accept_good accept_renegotiate hits misses timeouts "
    "cache_full"
)

_NO_SERVER = "TLS in a sandbox is for connections that a script makes: " + str(network.no_server().strerror)
_NO_CLIENT_CERTIFICATE = "TLS is done outside the sandbox, and no client certificates can be given to it"


# Errors


class SSLError(OSError):
    """An error occurred in the SSL implementation."""

    library = reason = None

    def __str__(self):
        return self.strerror if isinstance(self.strerror, str) else str(self.args)


class SSLZeroReturnError(SSLError):
    """SSL/TLS session closed cleanly."""


class SSLWantReadError(SSLError):
    """Non-blocking SSL socket needs to read more data before the requested operation can be completed."""


class SSLWantWriteError(SSLError):
    """Non-blocking SSL socket needs to write more data before the requested operation can be completed."""


class SSLSyscallError(SSLError):
    """System error when attempting SSL operation."""


class SSLEOFError(SSLError):
    """SSL/TLS connection terminated abruptly."""


class SSLCertVerificationError(SSLError, ValueError):
    """A certificate could not be verified."""

    verify_code = 1
    verify_message = ""


_ERRORS = (
    SSLError,
    SSLZeroReturnError,
    SSLWantReadError,
    SSLWantWriteError,
    SSLSyscallError,
    SSLEOFError,
    SSLCertVerificationError,
)
for _kind in _ERRORS:
    _kind.__module__ = "ssl"


def _failed(text):
    error = SSLError(1, f"[SSL] {text}")
    error.library = "SSL"
    return error


def _not_verified(text):
    error = SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {text}")
    error.library, error.reason, error.verify_message = "SSL", "CERTIFICATE_VERIFY_FAILED", text
    return error


network.KINDS["TLS"] = _failed
network.KINDS["CERTIFICATE"] = _not_verified


def _want_read():
    return SSLWantReadError(2, "The operation did not complete (read)")


def _want_write():
    return SSLWantWriteError(3, "The operation did not complete (write)")


# Connections


class SSLSession:
    """Sessions are kept outside the sandbox, if at all."""


class Certificate:
    """A certificate of a chain."""

    def __init__(self, der):
        self._der = der

    def public_bytes(self, format=_CONSTANTS["ENCODING_PEM"], /):
        if format == _CONSTANTS["ENCODING_DER"]:
            return self._der
        return certificates.pem(self._der)

    def get_info(self):
        return certificates.describe(self._der)


class _TLS:
    """What `ssl.SSLSocket` and `ssl.SSLObject` have in common."""

    session_reused = False

    def __init__(self, context, server_side, server_hostname, owner):
        if server_side or context.protocol == _SERVER:
            raise SSLError(1, _NO_SERVER)
        if context.check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        self.context = context
        self.server_side = False
        self.server_hostname = server_hostname
        self.session = None
        # What the host agreed upon; None until the handshake is over.
        self._agreed = None

    def _asked(self):
        """What to begin the handshake with."""
        return self.server_hostname or None, self.context.verify_mode != 0, self.context._protocols

    def version(self):
        return self._agreed and self._agreed.version

    def cipher(self):
        if self._agreed is None:
            return None
        name = self._agreed.cipher
        return name, self._agreed.version, 128 if "128" in name else 256

    def selected_alpn_protocol(self):
        return self._agreed and self._agreed.protocol

    def getpeercert(self, binary_form=False, /):
        if self._agreed is None:
            raise ValueError("handshake not done yet")
        if binary_form:
            return self._agreed.certificate or None
        # What was not verified must not be mistaken for it.
        return certificates.describe(self._agreed.certificate) if self.context.verify_mode != 0 else {}

    def get_unverified_chain(self):
        return [Certificate(self._agreed.certificate)] if self._agreed is not None else None

    def get_verified_chain(self):
        return self.get_unverified_chain()

    def get_channel_binding(self, cb_type="tls-unique"):
        if cb_type != "tls-unique":
            raise ValueError(f"'{cb_type}' channel binding type not implemented")
        return None

    def compression(self):
        return None

    def shared_ciphers(self):
        return None

    def verify_client_post_handshake(self):
        raise NotImplementedError(_NO_SERVER)


class _SocketTLS(_TLS):
    """The TLS of a socket: its calls wait as the socket does."""

    def __init__(self, sock, *args):
        super().__init__(*args)
        # Not the other way round: the socket holds this object.
        self._sock = weakref.ref(sock)
        self._begun = False

    def do_handshake(self):
        sock = self._sock()
        connection = sock._open()
        if not self._begun:
            if failure := connection.start_tls(*self._asked()):
                raise network.problem(failure)
            self._begun = True
        deadline = None
        while not connection.settle():
            # It is established when it can be written to.
            deadline = self._wait(sock, network.WRITE, deadline, "handshake", _want_read)
        if connection.failure is not None:
            raise network.problem(connection.failure)
        self._agreed = connection.channel.session()

    @staticmethod
    def _wait(sock, event, deadline, what, again):
        try:
            return sock._wait(event, deadline)
        except BlockingIOError:
            raise again() from None
        except TimeoutError:
            raise TimeoutError(f"The {what} operation timed out") from None

    def read(self, size=1024, buffer=None, /):
        if self._agreed is None:
            self.do_handshake()
        sock = self._sock()
        view = None
        if buffer is not None:
            view = memoryview(buffer).cast("B")
            size = min(size, len(view)) if size > 0 else len(view)
        elif size < 0:
            raise ValueError("size should not be negative")
        connection = sock._open()
        deadline = None
        while (data := connection.read(size) if size else b"") is None:
            deadline = self._wait(sock, network.READ, deadline, "read", _want_read)
        if view is None:
            return data
        view[: len(data)] = data
        return len(data)

    def write(self, data, /):
        if self._agreed is None:
            self.do_handshake()
        sock = self._sock()
        connection = sock._open()
        view = memoryview(data).cast("B")
        deadline = None
        while not (taken := connection.write(view)) and view:
            deadline = self._wait(sock, network.WRITE, deadline, "write", _want_write)
        return taken

    def pending(self):
        return len(self._sock()._open().queue)

    def shutdown(self):
        """Says goodbye; the other side's goodbye is the end of the stream."""
        sock = self._sock()
        sock._open().shutdown(False, True)
        return sock


class _MemoryTLS(_TLS):
    """The TLS of two buffers, which somebody else carries to a socket and from it.

    The handshake is a marker that goes out and comes back. From then on bytes pass as they are.
    """

    def __init__(self, incoming, outgoing, *args):
        super().__init__(*args)
        self._incoming = incoming
        self._outgoing = outgoing
        self.name, self.verify, self.protocols = self._asked()
        # Set by the connection that the marker has come by.
        self.connection = None
        self.failure = None
        self.marker = None

    def do_handshake(self):
        if self._agreed is not None:
            return
        if self.marker is None:
            self.marker = network.marker(self)
            self._outgoing.write(self.marker)
        incoming = self._incoming
        if incoming.pending < network.MARK_SIZE:
            if incoming.ended:
                raise SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol")
            raise _want_read()
        if incoming.read(network.MARK_SIZE) != self.marker:
            raise _failed("the other side sent something before TLS was started, which has not been read")
        if self.failure is not None:
            raise network.problem(self.failure)
        self._agreed = self.connection.channel.session()

    def read(self, size=1024, buffer=None, /):
        if self._agreed is None:
            self.do_handshake()
        if buffer is not None:
            view = memoryview(buffer).cast("B")
            size = min(size, len(view)) if size > 0 else len(view)
        data = self._incoming.read(size)
        if not data and size and not self._incoming.ended:
            raise _want_read()
        if buffer is None:
            return data
        view[: len(data)] = data
        return len(data)

    def write(self, data, /):
        if self._agreed is None:
            self.do_handshake()
        return self._outgoing.write(data)

    def pending(self):
        return 0

    def shutdown(self):
        """Nothing is to be said here: the end of the connection says it."""


class MemoryBIO:
    """Bytes on their way."""

    def __init__(self):
        self._bytes = bytearray()
        self.ended = False

    def read(self, size=-1, /):
        data = bytes(self._bytes) if size < 0 else bytes(memoryview(self._bytes)[:size])
        del self._bytes[: len(data)]
        return data

    def write(self, data, /):
        if self.ended:
            raise _failed("cannot write() after write_eof()")
        size = memoryview(data).nbytes
        self._bytes += data
        return size

    def write_eof(self):
        self.ended = True

    eof = property(lambda self: self.ended and not self._bytes)
    pending = property(lambda self: len(self._bytes))


# Contexts


class _SSLContext:
    """The settings. Their names are those that `ssl.SSLContext` looks for here."""

    __slots__ = (
        "protocol",
        "options",
        "verify_flags",
        "minimum_version",
        "maximum_version",
        "security_level",
        "num_tickets",
        "post_handshake_auth",
        "sni_callback",
        "keylog_filename",
        "_host_flags",
        "_msg_callback",
        "_protocols",
        "_mode",
        "_check",
    )

    def __new__(cls, protocol, /):
        if protocol not in (2, 3, 4, 5, _CLIENT, _SERVER):
            raise ValueError(f"invalid or unsupported protocol version {protocol}")
        self = object.__new__(cls)
        made = _SSLContext
        made.protocol.__set__(self, int(protocol))
        made.options.__set__(self, 0x80000050 | 1 << 17 | 1 << 20 | 1 << 22 | 1 << 25 | 128)
        made.verify_flags.__set__(self, 1 << 15)
        made.minimum_version.__set__(self, 771)
        made.maximum_version.__set__(self, -1)
        made._msg_callback.__set__(self, None)
        self._protocols = []
        self.security_level = self.num_tickets = 2
        self.post_handshake_auth = False
        self.sni_callback = self.keylog_filename = None
        self._host_flags = 4
        self._mode = 2 if protocol == _CLIENT else 0
        self._check = protocol == _CLIENT
        return self

    @property
    def check_hostname(self):
        return self._check

    @check_hostname.setter
    def check_hostname(self, value):
        self._check = bool(value)
        if value and self._mode == 0:
            self._mode = 2

    @property
    def verify_mode(self):
        return self._mode

    @verify_mode.setter
    def verify_mode(self, value):
        if value not in (0, 1, 2):
            raise ValueError("invalid value for verify_mode")
        if value == 0 and self._check:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._mode = int(value)

    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        return _SocketTLS(sock, self, server_side, server_hostname, owner)

    def _wrap_bio(self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None):
        return _MemoryTLS(incoming, outgoing, self, server_side, server_hostname, owner)

    def _set_alpn_protocols(self, packed, /):
        protocols = []
        while packed:
            protocols.append(packed[1 : 1 + packed[0]].decode("ascii"))
            packed = packed[1 + packed[0] :]
        self._protocols = protocols

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        if cafile is capath is cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        raise SSLError(1, _NO_CLIENT_CERTIFICATE)

    def set_default_verify_paths(self):
        pass

    def set_ciphers(self, ciphers, /):
        pass

    def load_dh_params(self, path, /):
        pass

    def set_ecdh_curve(self, name, /):
        pass

    def get_ciphers(self):
        return [{"name": name, "protocol": protocol, "strength_bits": bits} for name, protocol, bits in _CIPHERS]

    def get_ca_certs(self, binary_form=False):
        return []

    def cert_store_stats(self):
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def session_stats(self):
        return dict.fromkeys(_COUNTS.split(), 0)


# Functions


def txt2obj(txt, name=False):
    for purpose in _PURPOSES:
        if txt == purpose[3] or name and txt in purpose[1:3]:
            return purpose
    raise ValueError(f"unknown object '{txt[:100]}'")


def nid2obj(nid, /):
    for purpose in _PURPOSES:
        if nid == purpose[0]:
            return purpose
    raise ValueError(f"unknown NID {nid}")


def RAND_bytes(n, /):
    return urandom(n)


def RAND_status():
    return True


def RAND_add(string, entropy, /):
    pass


def get_default_verify_paths():
    return "SSL_CERT_FILE", "/etc/ssl/cert.pem", "SSL_CERT_DIR", "/etc/ssl/certs"


def module():
    """The module `_ssl`."""
    made = types.ModuleType("_ssl")
    made.__spec__ = ModuleSpec("_ssl", None, origin="built-in")
    vars(made).update(_CONSTANTS)
    classes = (*_ERRORS, _SSLContext, MemoryBIO, SSLSession, Certificate)
    functions = (txt2obj, nid2obj, RAND_bytes, RAND_status, RAND_add, get_default_verify_paths)
    for thing in classes + functions:
        setattr(made, thing.__name__, thing)
    return made
