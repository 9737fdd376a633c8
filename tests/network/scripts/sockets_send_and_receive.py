from world import *

import socket
with socket.create_connection(("localhost", ports.echo), timeout=30) as sock:
    assert sock.getpeername() == ("localhost", ports.echo) and sock.fileno() >= 1000
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 0
    sock.sendall(b"hello")
    while len(sock.recv(5, socket.MSG_PEEK)) < 5:
        pass
    assert sock.recv(2, socket.MSG_PEEK) == b"he"
    buffer = bytearray(4)
    assert sock.recv_into(buffer, 2) == 2 and buffer == b"he\0\0"
    assert sock.recv(3, socket.MSG_WAITALL) == b"llo"
    sock.sendmsg([b"a", bytearray(b"b"), memoryview(b"c")])
    assert sock.recv(3, socket.MSG_WAITALL) == b"abc"
    sock.sendall(b"z" * 3_000_000)
    assert sock.recv(3_000_000, socket.MSG_WAITALL) == b"z" * 3_000_000
    assert type(raised(OSError, sock.recv, 1, socket.MSG_DONTWAIT)) is BlockingIOError
assert sock.fileno() == -1
raised(OSError, sock.recv, 1)
