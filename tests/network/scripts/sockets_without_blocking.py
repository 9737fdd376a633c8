from world import *

import errno, select, socket
sock = socket.socket()
sock.setblocking(False)
assert sock.connect_ex(("localhost", ports.echo)) == errno.EINPROGRESS
assert select.select([], [sock], [], 30) == ([], [sock], [])
assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
assert sock.connect_ex(("localhost", ports.echo)) == errno.EISCONN
raised(BlockingIOError, sock.recv, 1)
sock.send(b"x")
poll = select.poll()
poll.register(sock, select.POLLIN)
assert poll.poll(30_000) == [(sock.fileno(), select.POLLIN)]
assert sock.recv(2) == b"x" and poll.poll(0) == []
refused = socket.socket()
refused.setblocking(False)
raised(BlockingIOError, refused.connect, ("localhost", ports.closed))
assert select.select([refused], [refused], [], 30) == ([refused], [refused], [])
assert refused.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
