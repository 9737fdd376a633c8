from world import *

import socket
raised(PermissionError, socket.create_server, ("", 0))
raised(PermissionError, socket.socket().bind, ("", 8080))
raised(PermissionError, socket.socketpair)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
raised(PermissionError, udp.connect, ("localhost", 53))
raised(PermissionError, udp.sendto, b"x", ("localhost", 53))
raised(PermissionError, socket.socket(socket.AF_UNIX).connect, "/run/x")
raised(PermissionError, socket.socket, fileno=1)
