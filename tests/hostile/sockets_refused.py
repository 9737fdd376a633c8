# expect: succeeded result='{"refused": 9}' memory=64MiB timeout=5s
# Local and remote addresses, TCP and UDP, connecting and listening: refused inside, at once, as PermissionError.
import socket


def tcp(address, family=socket.AF_INET):
    socket.socket(family, socket.SOCK_STREAM).connect(address)


def listen(address):
    server = socket.socket()
    server.bind(address)
    server.listen()


def run():
    attempts = [
        lambda: tcp(("127.0.0.1", 8080)),
        lambda: tcp(("192.0.2.1", 80)),
        lambda: tcp(("169.254.169.254", 80)),
        lambda: tcp(("::1", 8080, 0, 0), socket.AF_INET6),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
        lambda: listen(("127.0.0.1", 0)),
        lambda: listen(("0.0.0.0", 9999)),
        lambda: socket.create_connection(("127.0.0.1", 8080), timeout=1),
        lambda: socket.create_server(("127.0.0.1", 0)),
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except PermissionError:
            refused += 1
    return {"refused": refused}
