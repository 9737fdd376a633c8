from world import *

import socket, ssl
def handshake(port, name="localhost"):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    sock = socket.create_connection(("localhost", port))
    while True:
        try:
            tls.do_handshake()
            return sock, tls, incoming, outgoing
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(1000))
sock, tls, incoming, outgoing = handshake(ports.tls_greet)
assert tls.version() == "TLSv1.3" and tls.getpeercert()["version"] == 3
while data := sock.recv(1000):
    incoming.write(data)
assert tls.read(2) == b"he" and tls.read() == b"llo"
raised(ssl.SSLWantReadError, tls.read)
incoming.write_eof()
assert tls.read() == b"" and incoming.eof
raised(ssl.SSLCertVerificationError, handshake, ports.other)
raised(ssl.SSLError, handshake, ports.tls_echo, "example.com")

# TLS over what is TLS already.
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
outer = ssl.create_default_context().wrap_socket(
    socket.create_connection(("localhost", ports.tls_echo)), server_hostname="localhost"
)
raised(ssl.SSLWantReadError, tls.do_handshake)
outer.sendall(outgoing.read())
incoming.write(outer.recv(1000))
assert "TLS inside TLS" in str(raised(ssl.SSLError, tls.do_handshake))
