from world import *

import socket
with socket.create_connection(("localhost", ports.count)) as sock:
    sock.sendall(b"x" * 100_000)
    sock.shutdown(socket.SHUT_WR)
    assert sock.makefile("rb").read() == b"100000"
    assert sock.recv(1) == b"" == sock.recv(1)
    raised(BrokenPipeError, sock.send, b"y")
with socket.create_connection(("localhost", ports.greet)) as sock:
    assert sock.recv(9, socket.MSG_WAITALL) == b"hello"
