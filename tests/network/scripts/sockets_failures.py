from world import *

import errno, socket
error = raised(ConnectionRefusedError, socket.create_connection, ("localhost", ports.closed))
assert error.errno == errno.ECONNREFUSED
assert socket.socket().connect_ex(("localhost", ports.closed)) == errno.ECONNREFUSED
error = raised(socket.gaierror, socket.create_connection, ("nowhere.invalid", 80))
assert error.errno == socket.EAI_NONAME
error = raised(PermissionError, socket.create_connection, ("denied.example", 80))
assert str(error) == refusal(80) and type(error).__name__ == "NetworkDenied", error
assert error.errno == errno.EACCES and error.strerror == refusal(80)
raised(PermissionError, socket.socket().connect_ex, ("denied.example", 80))
sock = socket.create_connection(("localhost", ports.reset))
sock.sendall(b"x")
raised(ConnectionResetError, sock.makefile("rb").read)
assert raised(OSError, socket.socket().recv, 1).errno == errno.ENOTCONN
assert raised(OSError, socket.socket().getpeername).errno == errno.ENOTCONN
