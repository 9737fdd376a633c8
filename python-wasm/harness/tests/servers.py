"""Servers on loopback for the tests of the network, in threads of their own."""

import http.server
import socket
import ssl
import struct
import subprocess
import threading
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
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

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


def pages(context=None):
    """An HTTP server."""
    server = _Quiet(("127.0.0.1", 0), _Pages)
    server.port = server.server_address[1]
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    server.close = server.server_close
    return server
