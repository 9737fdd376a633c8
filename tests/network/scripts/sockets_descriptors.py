from world import *

import socket
sock = socket.create_connection(("localhost", ports.echo))
copy = sock.dup()
assert copy.fileno() != sock.fileno()
sock.close()
copy.sendall(b"x")
number = copy.detach()
assert copy.fileno() == -1
again = socket.socket(fileno=number)
assert again.recv(1) == b"x"
again.close()
raised(PermissionError, socket.socket, fileno=number)
