"""Makes a process a sandbox, as far as the network goes: the harness's modules stand on a host that is made here, of
the real sockets and the real TLS.

To be imported first, in a process of its own. `DENIED` is the one name that no grant covers; certificates are verified
against the file that CRONBOX_TEST_CA names.
"""

import support  # noqa: F401  (first: it makes `guest` importable)

import enum
import errno
import os
import select
import selectors
import socket
import ssl
import sys
import time
import types
from dataclasses import dataclass
from typing import Any

import _socket

DENIED = "denied.example"
SENTENCE = "denied.example is not allowed for this script"
ROOM = 1 << 16
"""Bytes that may wait in a channel, each way."""

_SSLError, _NotVerified, _ZeroReturn = ssl.SSLError, ssl.SSLCertVerificationError, ssl.SSLZeroReturnError
_WantRead, _WantWrite = ssl.SSLWantReadError, ssl.SSLWantWriteError
_context, _client, _no_certificates = ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT, ssl.CERT_NONE
_select = select.select
_new_socket, _resolve = socket.socket, socket.getaddrinfo
_gaierror = socket.gaierror
_error_option = socket.SOL_SOCKET, socket.SO_ERROR
_SHUT_WR = socket.SHUT_WR


class Err(Exception):
    def __init__(self, value):
        self.value = value


Failure = enum.Enum("Failure", "NO_NAME REFUSED UNREACHABLE TIMED_OUT RESET TLS CERTIFICATE", start=0)


@dataclass
class ChannelError_Denied:
    value: str


@dataclass
class ChannelError_Failed:
    value: tuple


@dataclass
class TlsSession:
    version: str
    cipher: str
    protocol: str | None
    certificate: bytes


@dataclass
class Interest:
    channel: Any
    readable: bool
    writable: bool


class Channel:
    """A channel, with the buffers that a host has."""

    open_now = 0
    most_open = 0

    @classmethod
    def open(cls, name, port):
        if name == DENIED:
            raise Err(ChannelError_Denied(SENTENCE))
        self = cls()
        self.name = name
        self.error = None
        self.connected = self.ended = self.shut = self.said_goodbye = False
        self.tls = self.agreed = None
        self.incoming, self.outgoing = bytearray(), bytearray()
        try:
            family, kind, protocol, _, address = _resolve(name, port, type=1)[0]
        except _gaierror as error:
            self.sock = _new_socket()
            self.fail(Failure.NO_NAME, str(error))
            return self
        self.sock = _new_socket(family, kind, protocol)
        self.sock.setblocking(False)
        self.sock.connect_ex(address)
        cls.open_now += 1
        cls.most_open = max(cls.most_open, cls.open_now)
        return self

    def fail(self, kind, text):
        if self.error is None:
            self.error = Err(ChannelError_Failed((kind, text)))

    @property
    def is_established(self):
        return self.connected and (self.tls is None or self.agreed is not None)

    def pump(self):
        """Goes as far as it can without waiting."""
        if self.error is not None:
            return
        try:
            self._connect()
            if self.connected and self.tls is not None and self.agreed is None and not self.outgoing:
                self._shake_hands()
            self._send()
            self._receive()
        except _NotVerified as error:
            self.fail(Failure.CERTIFICATE, error.verify_message)
        except _SSLError as error:
            self.fail(Failure.TLS, str(error))
        except OSError as error:
            kinds = {errno.ECONNREFUSED: Failure.REFUSED, errno.ETIMEDOUT: Failure.TIMED_OUT}
            self.fail(kinds.get(error.errno, Failure.RESET), str(error))

    def _connect(self):
        if not self.connected and _select([], [self.sock], [], 0)[1]:
            number = self.sock.getsockopt(*_error_option)
            if number:
                raise OSError(number, os.strerror(number))
            self.connected = True

    def _shake_hands(self):
        if not hasattr(self.sock, "do_handshake"):
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.name, do_handshake_on_connect=False)
        try:
            self.sock.do_handshake()
        except (_WantRead, _WantWrite):
            return
        certificate = self.sock.getpeercert(True) or b""
        self.agreed = TlsSession(
            self.sock.version(), self.sock.cipher()[0], self.sock.selected_alpn_protocol(), certificate
        )

    def _send(self):
        # What was written before the handshake goes out before it.
        while self.connected and self.outgoing and (self.is_established or not hasattr(self.sock, "do_handshake")):
            try:
                del self.outgoing[: self.sock.send(self.outgoing)]
            except (BlockingIOError, _WantRead, _WantWrite):
                return
        if self.shut and not self.outgoing and not self.said_goodbye and self.is_established:
            self.said_goodbye = True
            if self.tls is None:
                self.sock.shutdown(_SHUT_WR)
            else:
                self.sock.setblocking(False)
                try:
                    self.sock.unwrap()
                except (_WantRead, _SSLError):
                    pass

    def _receive(self):
        while self.is_established and not self.ended and len(self.incoming) < ROOM:
            try:
                data = self.sock.recv(ROOM)
            except (BlockingIOError, _WantRead, _WantWrite):
                return
            except _ZeroReturn:
                data = b""
            self.incoming += data
            self.ended = not data

    def is_ready(self, interest):
        if self.error is not None:
            return True
        if not self.is_established:
            return False
        readable = interest.readable and (self.incoming or self.ended)
        return bool(readable or interest.writable and len(self.outgoing) < ROOM)

    def check(self):
        self.pump()
        if self.error is not None and not self.incoming:
            raise Err(self.error.value)

    def established(self):
        self.check()
        return self.is_established

    def start_tls(self, name, verify, protocols):
        self.check()
        if name != self.name:
            raise Err(ChannelError_Failed((Failure.TLS, f"{name} is not the name that was connected to")))
        if self.incoming:
            raise Err(ChannelError_Failed((Failure.TLS, "unread bytes")))
        self.tls = _context(_client)
        if verify:
            self.tls.load_verify_locations(os.environ["CRONBOX_TEST_CA"])
        else:
            self.tls.check_hostname = False
            self.tls.verify_mode = _no_certificates
        if protocols:
            self.tls.set_alpn_protocols(protocols)
        self.pump()

    def session(self):
        return self.agreed

    def read(self, max):
        self.check()
        if not self.incoming:
            return None if self.ended else b""
        data = bytes(self.incoming[:max])
        del self.incoming[:max]
        return data

    def write(self, data):
        assert type(data) is bytes
        self.check()
        if not self.is_established:
            return 0
        taken = data[: ROOM - len(self.outgoing)]
        self.outgoing += taken
        self.pump()
        return len(taken)

    def shutdown(self):
        self.shut = True
        self.check()

    def __exit__(self, *failure):
        while self.error is None and self.connected and self.outgoing:
            _select([], [self.sock], [], 1)
            self.pump()
        type(self).open_now -= 1
        self.sock.close()

    def __del__(self):
        self.sock.close()


def wait(interests, timeout_ns):
    deadline = None if timeout_ns is None else time.monotonic() + timeout_ns / 1e9
    while True:
        for interest in interests:
            interest.channel.pump()
        ready = [place for place, interest in enumerate(interests) if interest.channel.is_ready(interest)]
        left = None if deadline is None else deadline - time.monotonic()
        if ready or left is not None and left <= 0:
            return ready
        channels = {interest.channel.sock for interest in interests}
        writing = {
            interest.channel.sock
            for interest in interests
            if not interest.channel.connected or interest.channel.outgoing
        }
        if not channels and left is None:
            raise AssertionError("a sleep without an end")
        _select(channels, writing, [], left)


def allowed(name, port):
    if name == DENIED:
        raise Err(SENTENCE)


def _module(name, **content):
    made = types.ModuleType(name)
    vars(made).update(content)
    sys.modules[name] = made
    return made


def _copy(module):
    return _module(module.__name__, **vars(module))


_module("componentize_py_types", Err=Err)
_host = _module("wit_world.imports.host", loaded=None, call=None, wait=wait, allowed=allowed, Channel=Channel, Interest=Interest)
_host.ChannelError_Denied, _host.ChannelError_Failed = ChannelError_Denied, ChannelError_Failed
_module("wit_world.imports", host=_host)
_module("wit_world")

assert "asyncio" not in sys.modules
for _name in ("socket", "ssl", "selectors"):
    del sys.modules[_name]
_socket, _poll_free = _copy(_socket), _copy(select)
for _name in ("epoll", "sendfile"):
    vars(_poll_free).pop(_name, None)
for _name in ("sethostname", "if_nameindex", "SO_INCOMING_CPU"):
    vars(_socket).pop(_name, None)

from guest import network, sockets, tls, waiting  # noqa: E402

sockets.install(_socket)
waiting.install(_poll_free)
sys.modules["_ssl"] = tls.module()

import selectors  # noqa: E402

waiting.adapt_selectors(selectors)

import socket  # noqa: E402

sockets.adapt_socket(socket)

import urllib.request  # noqa: E402

network.adapt_urllib_request(urllib.request)

from guest import loop  # noqa: E402

loop.install()
