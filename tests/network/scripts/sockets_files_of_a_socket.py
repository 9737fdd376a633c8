from world import *

import socket
sock = socket.create_connection(("localhost", ports.echo))
with sock.makefile("rwb") as file:
    sock.close()
    file.write(b"one\ntwo\n")
    file.flush()
    assert [file.readline(), file.readline()] == [b"one\n", b"two\n"]
assert sock.fileno() == -1
with socket.create_connection(("localhost", ports.greet)) as sock, sock.makefile("r") as file:
    assert file.read() == "hello"
