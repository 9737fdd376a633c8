# expect: succeeded result='"contained"' fuel=8e9 memory=64MiB
# 20,000 sockets: one that is not connected is an object of the sandbox and nothing on the host, so no handle runs out.
import socket


def run():
    held = []
    for _ in range(20_000):
        try:
            held.append(socket.socket())
        except OSError:
            pass
    for one in held[::1000]:
        try:
            one.connect(("127.0.0.1", 80))
        except PermissionError:
            continue
        raise AssertionError("connected")
    return "contained"
