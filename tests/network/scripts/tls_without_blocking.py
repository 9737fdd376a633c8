from world import *

import select, socket, ssl
sock = socket.create_connection(("localhost", ports.tls_echo))
sock.setblocking(False)
context = ssl.create_default_context()
sock = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
while True:
    try:
        sock.do_handshake()
        break
    except ssl.SSLWantReadError:
        assert select.select([sock], [], [], 30)[0]
raised(ssl.SSLWantReadError, sock.recv, 1)
sock.send(b"x")
while True:
    assert select.select([sock], [], [], 30)[0]
    try:
        assert sock.recv(1) == b"x"
        break
    except ssl.SSLWantReadError:
        pass
