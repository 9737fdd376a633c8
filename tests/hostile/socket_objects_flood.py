# expect: succeeded result='"refused"' fuel=8e9 memory=64MiB
# 20,000 sockets asked for: each refusal gives back what it took.
import socket


def run():
    held = []
    for _ in range(20_000):
        try:
            held.append(socket.socket())
        except OSError:
            pass
    assert len(held) < 1000, len(held)
    return "refused"
