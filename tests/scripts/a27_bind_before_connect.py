# expect: succeeded result='["PermissionError", "PermissionError", true]'
# Case A27: libraries look for IPv6 by binding a socket to no port in particular; nothing can wait for connections.
import socket


def kind(call):
    try:
        call()
    except OSError as error:
        return type(error).__name__


def run():
    probe = socket.socket(socket.AF_INET6)
    probe.bind(("::1", 0))
    return [kind(probe.listen), kind(lambda: socket.socket().bind(("0.0.0.0", 8080))), socket.has_ipv6]
