from world import *

import socket, ssl
context = ssl.create_default_context()
context.set_alpn_protocols(["h2", "http/1.1"])
plain = socket.create_connection(("localhost", ports.tls_echo))
with context.wrap_socket(plain, server_hostname="localhost") as sock:
    assert sock.version() == "TLSv1.3" and sock.cipher()[1] == "TLSv1.3"
    assert sock.selected_alpn_protocol() == "http/1.1" and sock.server_hostname == "localhost"
    assert ("DNS", "localhost") in sock.getpeercert()["subjectAltName"]
    sock.sendall(b"z" * 3_000_000)
    assert sock.makefile("rb").read(3_000_000) == b"z" * 3_000_000
    sock.unwrap()
    assert sock.recv(1) == b""
sock = context.wrap_socket(socket.socket(), server_hostname="localhost")
sock.connect(("localhost", ports.tls_greet))
assert sock.read() == b"hello" and sock.read() == b""
assert "BEGIN CERTIFICATE" in ssl.get_server_certificate(("localhost", ports.tls_greet))
