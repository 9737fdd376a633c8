"""Tries to reach what nobody may reach, in a network of its own.

    unshare --net python3 walls.py PROGRAM INTERPRETER FOLDER

Every forbidden address is an address of this network's, with a listener that must stay silent; so are two public ones,
with a listener that must be reached, or the test would show nothing. Names come from a name server of the test's own.
"""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import servers

PROGRAM, INTERPRETER, FOLDER = sys.argv[1:4]
PORTS = (80, 443, 8080)
PUBLIC = ["93.184.216.34", "2606:2800:220:1::1"]
FORBIDDEN = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.7",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.8",
    "198.18.0.1",
    "203.0.113.9",
    "168.63.129.16",
    "::1",
    "fd00:ec2::254",
    "fd12:3456::1",
    "fe80::1",
    "2001:db8::1",
    "64:ff9b::a00:7",
    "2002:a00:7::1",
]

knocked = []
reached = []


def listen(address, port, into):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    scope = socket.if_nametoindex("lo") if address.startswith("fe80") else 0
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port, 0, scope) if family == socket.AF_INET6 else (address, port))
    listener.listen(16)

    def serve():
        while True:
            connection, _ = listener.accept()
            into.append((address, port))
            with connection:
                request = connection.recv(1 << 16)
                target = request.split(b" ")[1] if request.count(b" ") > 1 else b"/"
                if target.startswith(b"/to/"):
                    head = b"HTTP/1.1 302 Found\r\nLocation: " + target[4:] + b"\r\nContent-Length: 0\r\n"
                    connection.sendall(head + b"Connection: close\r\n\r\n")
                else:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    threading.Thread(target=serve, daemon=True).start()


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def world():
    ip("link", "set", "lo", "up")
    for address in FORBIDDEN + PUBLIC:
        if address not in ("127.0.0.1", "127.8.8.8", "::1"):
            ip("address", "add", address + ("/128" if ":" in address else "/32"), "dev", "lo", "nodad" if ":" in address else "noprefixroute")
        for port in PORTS:
            listen(address, port, reached if address in PUBLIC else knocked)
    table = {"public.example.com": PUBLIC, "rebinding.example.com": [PUBLIC[:1], PUBLIC[:1], ["10.0.0.7"]]}
    for number, address in enumerate(FORBIDDEN):
        table[f"n{number}.example.com"] = [address]
        table[f"mixed{number}.example.com"] = [PUBLIC[0], address]
        table[f"mixed-six{number}.example.com"] = [PUBLIC[1], address]
    table["empty.example.com"] = []
    table["allowed.example.com.evil.test"] = PUBLIC
    table["evil.test"] = PUBLIC
    return servers.Names(table)


def run(source, allow, *words):
    file = Path(FOLDER) / "script.py"
    file.write_text(source)
    command = [PROGRAM, "run", file, "--json", "--interpreter-cache", INTERPRETER, "--timeout", "20s", *words]
    for host in allow:
        command += ["--allow-host", host]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"status": "refused", "error": {"type": "usage", "message": done.stderr}}


GET = """
import json, socket, urllib.request
def run():
    said = {}
    for url in %s:
        try:
            said[url] = urllib.request.urlopen(url, timeout=8).read().decode()
        except Exception as error:
            said[url] = f"{type(error).__name__}: {error}"
    return said
"""


def main():
    names = world()
    dns = ["--dns", f"127.0.0.1:{names.port}"]
    attacks = 0

    def get(urls, allow):
        nonlocal attacks
        attacks += len(urls)
        answer = run(GET % json.dumps(urls), allow, *dns)
        assert answer["status"] == "succeeded", answer
        assert set(answer["result"]) == set(urls)
        return answer["result"]

    # What is allowed and public is reached, on both families.
    said = get(["http://public.example.com/", f"http://{PUBLIC[0]}:8080/"], ["public.example.com", f"{PUBLIC[0]}:8080"])
    assert list(said.values()) == ["ok", "ok"], said
    assert reached, "nobody was reached: the rest would show nothing"
    before = len(reached)

    # Names that resolve to one forbidden address, alone or beside a public one.
    every = [f"{kind}{number}.example.com" for kind in ("n", "mixed", "mixed-six") for number in range(len(FORBIDDEN))]
    for start in range(0, len(every), 40):
        some = every[start : start + 40]
        said = get([f"http://{name}/" for name in some], some)
        for url, text in said.items():
            assert text.startswith("NetworkDenied: ") and "is not allowed: it resolves to" in text, (url, text)
    # Literals, in every spelling, even where the script was allowed them.
    spellings = ["2130706433", "0x7f.1", "0177.0.0.1", "0", "127.1", "localhost.", "localhost", "[::ffff:10.0.0.1]"]
    literals = [f"[{address}]" if ":" in address else address for address in FORBIDDEN]
    for spelling in spellings + literals:
        said = get([f"http://{spelling}/", f"http://{spelling}:8080/"], ["public.example.com"])
        assert all("NetworkDenied" in text or "gaierror" in text for text in said.values()), said
        attacks += 1
        answer = run(GET % json.dumps([f"http://{spelling}:8080/"]), [f"{spelling}:8080"], *dns)
        # Not even a pattern, or refused when its address is seen.
        ok = answer["status"] == "refused" or "NetworkDenied" in str(answer["result"])
        assert ok, (spelling, answer)
    # Tricks with the form of an address: decided on one parsed form.
    tricks = [
        "http://public.example.com@evil.test/",
        "http://public.example.com.evil.test/",
        "http://evil.test#public.example.com/",
        "http://evil.test/?public.example.com",
        "http://PUBLIC.example.com.:81/",
        "http://public.example.com:8080/",
        "http://publiс.example.com/",
    ]
    said = get(tricks, ["public.example.com"])
    assert all("NetworkDenied" in text or "Error" in text for text in said.values()), said
    assert len(reached) == before, reached[before:]
    # Upper case and a trailing dot are the same name.
    assert list(get(["http://PUBLIC.Example.COM./"], ["public.example.com"]).values()) == ["ok"]
    before = len(reached)
    # A redirect is a new connection, and is decided upon anew.
    inside = ["http://10.0.0.7/", "http://169.254.169.254/latest", "http://n0.example.com/", "ftp://10.0.0.7/", "file:///etc/passwd"]
    said = get([f"http://public.example.com/to/{url}" for url in inside], ["public.example.com", "n0.example.com"])
    assert all("NetworkDenied" in text or "HTTPError" in text for text in said.values()), said
    loop = "http://public.example.com/to//to/" + "/to/" * 20
    assert "ok" not in get([loop], ["public.example.com"]).values()
    # A name that changes between two looks: what was checked is what is connected to.
    for _ in range(3):
        get(["http://rebinding.example.com/"], ["rebinding.example.com"])
    said = get(["http://empty.example.com/", "http://unknown.example.com/"], ["*.example.com"])
    assert all("there is no such name" in text or "has no address" in text for text in said.values()), said
    # No name leaves that is not allowed.
    get(["http://secret-in-a-label.evil.test/"], ["public.example.com"])
    assert not [name for name, _ in names.asked if "secret-in-a-label" in name], names.asked
    # Nothing but connections: no datagrams, nobody listens, nothing raw.
    attacks += 6
    other = run(
        "import socket\ndef run():\n    said = []\n    for make in (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        ".sendto(b'x', ('93.184.216.34', 53)), lambda: socket.socket().bind(('0.0.0.0', 8080)), lambda: "
        "socket.create_server(('', 80)), lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW).connect(('93.184.216.34', 80)), "
        "lambda: socket.socketpair(), lambda: socket.socket(socket.AF_UNIX).connect('/run/x')):\n        try:\n            make()"
        "\n            said.append('done')\n        except OSError as error:\n            said.append(type(error).__name__)\n    "
        "return said\n",
        [PUBLIC[0]],
        *dns,
    )
    assert other["status"] == "succeeded" and set(other["result"]) == {"PermissionError"}, other
    # The operator may open one network to one name.
    networks = ["--allow-network", "n2.example.com=10.0.0.0/8"]
    attacks += 2
    opened = run(GET % '["http://n2.example.com/", "http://n4.example.com/"]', ["*.example.com"], *dns, *networks)
    assert opened["result"]["http://n2.example.com/"] == "ok", opened
    assert "NetworkDenied" in opened["result"]["http://n4.example.com/"], opened
    assert knocked == [("10.0.0.7", 80)], knocked
    print(json.dumps({"attacks": attacks, "reached": len(reached)}))


main()
