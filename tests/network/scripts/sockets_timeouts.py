from world import *

import socket
sock = socket.create_connection(("localhost", ports.silent), timeout=0.01)
error = raised(TimeoutError, sock.recv, 1)
assert str(error) == "timed out" and socket.timeout is TimeoutError
sock.settimeout(0)
assert not sock.getblocking()
raised(ValueError, sock.settimeout, -1)
socket.setdefaulttimeout(0.01)
sock = socket.create_connection(("localhost", ports.silent))
assert sock.gettimeout() == 0.01
raised(TimeoutError, sock.makefile("rb").read)
