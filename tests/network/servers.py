"""Servers on loopback for the tests of the network, in threads of their own.

    python3 servers.py FOLDER

prints where they are as one line of JSON and serves until its standard input ends.
"""

import base64
import gzip
import hashlib
import html
import http.server
import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = set on the command line
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, DNS:*.localhost, IP:127.0.0.1, IP:::1, email:a@b.example, URI:https://b.example/
[other]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:other.example
[ca]
basicConstraints = critical, CA:TRUE
"""


class Authority:
    """A certificate authority, and what it certifies: `localhost`, and a name that is not the server's."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "openssl.cnf").write_text(_CONFIG)
        self.certificate = self._make("ca")
        self.server, self.other = (self._context(self._make(name, self.certificate)) for name in ("server", "other"))

    def _make(self, name, issuer=None):
        file = self.folder / f"{name}.pem"
        signed = ["-CA", issuer, "-CAkey", issuer] if issuer else []
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-config", self.folder / "openssl.cnf", "-extensions", name, "-days", "2"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file, "-out", file),
                *("-subj", f"/C=AT/O=Cronbox's tests/CN={name}", *signed),
            ],
            check=True,
            capture_output=True,
        )
        return file

    @staticmethod
    def _context(file):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(["http/1.1"])
        return context


class Server:
    """Accepts connections and gives each to a function, in a thread of its own."""

    def __init__(self, serve, context=None):
        self._serve = serve
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self._serve(connection)
        except OSError:
            # What the other side does is the other side's test.
            pass

    def close(self):
        # Closing alone would leave it open for the thread that waits.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def echo(connection):
    """Sends back what it gets, to the end."""
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def count(connection):
    """Reads to the end, and then says how much it was."""
    size = 0
    while data := connection.recv(1 << 16):
        size += len(data)
    connection.sendall(str(size).encode())


def greet(connection):
    """Says something and hangs up."""
    connection.sendall(b"hello")


def silent(connection):
    """Says nothing until the other side hangs up."""
    while connection.recv(1 << 16):
        pass


def reset(connection):
    """Breaks off in the middle of a response."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    # Closes with a reset instead of an end.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def together(parties):
    """Answers nobody before so many are there."""
    barrier = threading.Barrier(parties)

    def serve(connection):
        connection.recv(1 << 16)
        barrier.wait(30)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    return serve


def upgrade(context):
    """Lines in the clear until one says STARTTLS; then TLS, and an echo."""

    def serve(connection):
        connection.sendall(b"220 ready\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                if line.strip() == b"STARTTLS":
                    break
                connection.sendall(b"250 " + line)
        connection.sendall(b"220 go ahead\r\n")
        with context.wrap_socket(connection, server_side=True) as encrypted:
            echo(encrypted)

    return serve


class _Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are sent apart: the second must not wait until the first was acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[3:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b"x" * int(self.path[6:]) if self.path.startswith("/size/") else f"at {self.path}".encode()
        self.answer(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(str(len(body)).encode() if self.path == "/count" else body)

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class _Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # What the other side does is the other side's test.
        pass


class _Mirror(_Pages):
    """Tells what it was sent: by its digests, which nobody takes for the thing itself, or as it is in some form."""

    def do_GET(self):
        self.reflect(b"")

    def do_POST(self):
        self.reflect(self.rfile.read(int(self.headers["Content-Length"])))

    do_PUT = do_POST

    def reflect(self, body):
        def digest(text):
            return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()

        key = self.headers.get("X-Key", "")
        raw = key.encode("latin-1")
        form = self.path.partition("?")[0].removeprefix("/")
        if form == "location":
            self.send_response(302)
            self.send_header("Location", f"/seen?k={key}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if form == "pieces":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("X-Key", key)
            self.end_headers()
            for at in range(len(raw)):
                self.wfile.write(b"1\r\n" + raw[at : at + 1] + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        if form in ("gzip", "negotiated"):
            # Compressed whatever was asked for; and only where that was.
            packed = form == "gzip" or "gzip" in self.headers.get("Accept-Encoding", "")
            self.send_response(200)
            if packed:
                self.send_header("Content-Encoding", "gzip")
                raw = gzip.compress(raw)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
            return
        quoted = json.dumps({"you_sent": key})
        shapes = {
            "plain": lambda: raw,
            # As the encoders of PHP, Go, Gson and templates of HTML write it.
            "php": lambda: quoted.replace("/", "\\/").encode(),
            "go": lambda: quoted.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").encode(),
            "gson": lambda: quoted.replace("=", "\\u003d").replace("&", "\\u0026").encode(),
            "upper": lambda: quoted.replace("+", "\\u002B").replace("=", "\\u003D").encode(),
            "html": lambda: ("<p>" + html.escape(key) + "</p>").encode(),
            "decimal": lambda: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in key).encode(),
            "query": lambda: ("?k=" + urllib.parse.quote_plus(key)).encode(),
            "nested": lambda: json.dumps(quoted.replace("/", "\\/")).encode(),
            "base64": lambda: base64.b64encode(b"ab" + raw),
            "reversed": lambda: raw[::-1],
            "seen": lambda: json.dumps({
                "method": self.command,
                "path": digest(self.path),
                "body": digest(body),
                "length": [self.headers.get("Content-Length"), len(body)],
                "headers": {name.lower(): digest(value) for name, value in self.headers.items()},
            }).encode(),
        }
        self.answer(shapes[form]())


class _Shop(_Pages):
    """Shows a price to whoever has the key."""

    def do_GET(self):
        if self.path == "/tea" and self.headers.get("Authorization") == "Bearer open-sesame-42":
            self.answer(b"<html><body><p class='price'> 4.75 </p></body></html>")
        else:
            self.send_error(403)


def pages(context=None, handler=_Pages):
    """An HTTP server."""
    server = _Quiet(("127.0.0.1", 0), handler)
    server.port = server.server_address[1]
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    server.close = server.server_close
    return server


# Servers that mean no good.


def drip(connection):
    """A response that never comes to an end, a byte now and then."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    never = threading.Event()
    while not never.wait(0.1):
        connection.sendall(b"x")


def endless(connection):
    """A response without an end, as fast as it goes."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * (1 << 16))


def headers(connection):
    """Ten thousand headers."""
    connection.recv(1 << 16)
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")


def two_lengths(connection):
    """Two lengths that say different things."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello")


def bomb():
    """A small body that is a gigabyte when it is unpacked."""
    packed = gzip.compress(gzip.compress(bytes(1 << 28)) * 4)

    def serve(connection):
        connection.recv(1 << 16)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        connection.sendall(head.encode() + packed)

    return serve


def slam(connection):
    """A reset before anything else."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Names:
    """A name server: answers from a table, a list of addresses for each name, or one list after the other when there are
    several."""

    def __init__(self, table, port=0):
        self._table = table
        self._asked = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def asked(self):
        return dict(self._asked)

    def _serve(self):
        while True:
            question, sender = self._socket.recvfrom(4096)
            self._socket.sendto(self._answer(question), sender)

    def _answer(self, question):
        at, labels = 12, []
        while size := question[at]:
            labels.append(question[at + 1 : at + 1 + size].decode())
            at += 1 + size
        name = ".".join(labels).lower()
        kind = int.from_bytes(question[at + 1 : at + 3], "big")
        asked = question[12 : at + 5]
        key = (name, kind)
        self._asked[key] = self._asked.get(key, 0) + 1
        known = self._table.get(name)
        if known is None:
            return question[:2] + b"\x81\x83" + b"\0\1\0\0\0\0\0\0" + asked
        if known and isinstance(known[0], list):
            known = known[min(self._asked[key], len(known)) - 1]
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        found = [a for a in known if family and (":" in a) == (family == socket.AF_INET6)]
        records = b""
        for address in found:
            packed = socket.inet_pton(family, address)
            records += b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1\0\0\0\0" + len(packed).to_bytes(2, "big") + packed
        return question[:2] + b"\x81\x80" + b"\0\1" + len(found).to_bytes(2, "big") + b"\0\0\0\0" + asked + records


def main(folder):
    authority = Authority(folder)
    own = authority.server
    running = {
        "http": pages(),
        "https": pages(own),
        "other": pages(authority.other),
        "mirror": pages(handler=_Mirror),
        "tls_mirror": pages(own, _Mirror),
        "tls_mirror_2": pages(own, _Mirror),
        "shop": pages(own, _Shop),
        "echo": Server(echo),
        "tls_echo": Server(echo, own),
        "count": Server(count),
        "tls_count": Server(count, own),
        "greet": Server(greet),
        "tls_greet": Server(greet, own),
        "silent": Server(silent),
        "reset": Server(reset),
        "tls_reset": Server(reset, own),
        "ten": Server(together(10)),
        "tls_ten": Server(together(10), own),
        "upgrade": Server(upgrade(own)),
        "drip": Server(drip),
        "endless": Server(endless),
        "headers": Server(headers),
        "two_lengths": Server(two_lengths),
        "bomb": Server(bomb()),
        "slam": Server(slam),
        "dns": Names({"pages.example": ["127.0.0.1"]}),
    }
    # Bound, so that nobody else gets it, and listened to by nobody.
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    ports = {name: server.port for name, server in running.items()} | {"closed": closed.getsockname()[1]}
    certificate = ssl._ssl._test_decode_cert(str(authority.folder / "server.pem"))
    print(json.dumps({"ports": ports, "ca": str(authority.certificate), "certificate": certificate}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
