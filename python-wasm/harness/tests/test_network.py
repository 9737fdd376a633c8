import support  # noqa: F401  (first: it makes `guest` importable)

import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import servers

_PRELUDE = """
import sandboxed, json, os
from types import SimpleNamespace
ports = SimpleNamespace(**json.loads(os.environ["CRONBOX_TEST_PORTS"]))

def raised(kind, function, *args, **kwargs):
    try:
        value = function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{value!r} instead of {kind}")
"""
_SECONDS = 60


def setUpModule():
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    authority = servers.Authority(folder.name)
    own = authority.server
    running = {
        "http": servers.pages(),
        "https": servers.pages(own),
        "other": servers.pages(authority.other),
        "echo": servers.Server(servers.echo),
        "tls_echo": servers.Server(servers.echo, own),
        "count": servers.Server(servers.count),
        "tls_count": servers.Server(servers.count, own),
        "greet": servers.Server(servers.greet),
        "tls_greet": servers.Server(servers.greet, own),
        "silent": servers.Server(servers.silent),
        "reset": servers.Server(servers.reset),
        "tls_reset": servers.Server(servers.reset, own),
        "ten": servers.Server(servers.together(10)),
        "tls_ten": servers.Server(servers.together(10), own),
        "upgrade": servers.Server(servers.upgrade(own)),
    }
    for server in running.values():
        unittest.addModuleCleanup(server.close)
    # Bound, so that nobody else gets it, and listened to by nobody.
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    unittest.addModuleCleanup(closed.close)
    ports = {name: server.port for name, server in running.items()} | {"closed": closed.getsockname()[1]}
    os.environ["CRONBOX_TEST_PORTS"] = json.dumps(ports)
    os.environ["CRONBOX_TEST_CA"] = str(authority.certificate)
    os.environ["CRONBOX_TEST_CERTIFICATE"] = str(authority.folder / "server.pem")


class Case(unittest.TestCase):
    def sandboxed(self, script):
        """Runs a script in a process that is a sandbox."""
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error::RuntimeWarning", "-c", _PRELUDE + textwrap.dedent(script)],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Sockets(Case):
    def test_send_and_receive(self):
        self.sandboxed("""
            import socket
            with socket.create_connection(("localhost", ports.echo), timeout=30) as sock:
                assert sock.getpeername() == ("localhost", ports.echo) and sock.fileno() >= 1000
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 0
                sock.sendall(b"hello")
                while len(sock.recv(5, socket.MSG_PEEK)) < 5:
                    pass
                assert sock.recv(2, socket.MSG_PEEK) == b"he"
                buffer = bytearray(4)
                assert sock.recv_into(buffer, 2) == 2 and buffer == b"he\\0\\0"
                assert sock.recv(3, socket.MSG_WAITALL) == b"llo"
                sock.sendmsg([b"a", bytearray(b"b"), memoryview(b"c")])
                assert sock.recv(3, socket.MSG_WAITALL) == b"abc"
                sock.sendall(b"z" * 3_000_000)
                assert sock.recv(3_000_000, socket.MSG_WAITALL) == b"z" * 3_000_000
                assert type(raised(OSError, sock.recv, 1, socket.MSG_DONTWAIT)) is BlockingIOError
            assert sock.fileno() == -1
            raised(OSError, sock.recv, 1)
        """)

    def test_half_close_and_end(self):
        self.sandboxed("""
            import socket
            with socket.create_connection(("localhost", ports.count)) as sock:
                sock.sendall(b"x" * 100_000)
                sock.shutdown(socket.SHUT_WR)
                assert sock.makefile("rb").read() == b"100000"
                assert sock.recv(1) == b"" == sock.recv(1)
                raised(BrokenPipeError, sock.send, b"y")
            with socket.create_connection(("localhost", ports.greet)) as sock:
                assert sock.recv(9, socket.MSG_WAITALL) == b"hello"
        """)

    def test_files_of_a_socket(self):
        self.sandboxed("""
            import socket
            sock = socket.create_connection(("localhost", ports.echo))
            with sock.makefile("rwb") as file:
                sock.close()
                file.write(b"one\\ntwo\\n")
                file.flush()
                assert [file.readline(), file.readline()] == [b"one\\n", b"two\\n"]
            assert sock.fileno() == -1
            with socket.create_connection(("localhost", ports.greet)) as sock, sock.makefile("r") as file:
                assert file.read() == "hello"
        """)

    def test_without_blocking(self):
        self.sandboxed("""
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
        """)

    def test_timeouts(self):
        self.sandboxed("""
            import socket
            sock = socket.create_connection(("localhost", ports.silent), timeout=0.01)
            error = raised(TimeoutError, sock.recv, 1)
            assert str(error) == "timed out" and socket.timeout is TimeoutError
            sock.settimeout(0)
            assert not sock.getblocking()
            raised(ValueError, sock.settimeout, -1)
            socket.setdefaulttimeout(0.01)
            sock = socket.create_connection(("localhost", ports.silent))
            assert sock.gettimeout() == 0.01
            raised(TimeoutError, sock.makefile("rb").read)
        """)

    def test_failures(self):
        self.sandboxed("""
            import errno, socket
            error = raised(ConnectionRefusedError, socket.create_connection, ("localhost", ports.closed))
            assert error.errno == errno.ECONNREFUSED
            assert socket.socket().connect_ex(("localhost", ports.closed)) == errno.ECONNREFUSED
            error = raised(socket.gaierror, socket.create_connection, ("nowhere.invalid", 80))
            assert error.errno == socket.EAI_NONAME
            error = raised(PermissionError, socket.create_connection, ("denied.example", 80))
            assert str(error) == sandboxed.SENTENCE and type(error).__name__ == "NetworkDenied", error
            assert error.errno == errno.EACCES and error.strerror == sandboxed.SENTENCE
            raised(PermissionError, socket.socket().connect_ex, ("denied.example", 80))
            sock = socket.create_connection(("localhost", ports.reset))
            sock.sendall(b"x")
            raised(ConnectionResetError, sock.makefile("rb").read)
            assert raised(OSError, socket.socket().recv, 1).errno == errno.ENOTCONN
            assert raised(OSError, socket.socket().getpeername).errno == errno.ENOTCONN
        """)

    def test_what_there_is_not(self):
        self.sandboxed("""
            import socket
            raised(PermissionError, socket.create_server, ("", 0))
            raised(PermissionError, socket.socket().bind, ("", 0))
            raised(PermissionError, socket.socketpair)
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            raised(PermissionError, udp.connect, ("localhost", 53))
            raised(PermissionError, udp.sendto, b"x", ("localhost", 53))
            raised(PermissionError, socket.socket(socket.AF_UNIX).connect, "/run/x")
            raised(PermissionError, socket.socket, fileno=1)
        """)

    def test_descriptors(self):
        self.sandboxed("""
            import socket
            sock = socket.create_connection(("localhost", ports.echo))
            copy = sock.dup()
            assert copy.fileno() != sock.fileno()
            sock.close()
            copy.sendall(b"x")
            number = copy.detach()
            assert copy.fileno() == -1
            again = socket.socket(fileno=number)
            assert again.recv(1) == b"x" and sandboxed.Channel.open_now == 1
            again.close()
            assert sandboxed.Channel.open_now == 0
            raised(PermissionError, socket.socket, fileno=number)
        """)

    def test_names(self):
        self.sandboxed("""
            import socket
            assert socket.getaddrinfo("example.com", "https") == [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("example.com", 443))
            ]
            assert socket.getaddrinfo("::1", 80)[0][::4] == (socket.AF_INET6, ("::1", 80, 0, 0))
            assert socket.getaddrinfo("b\\xfccher.example", None)[0][4] == ("xn--bcher-kva.example", 0)
            raised(socket.gaierror, socket.getaddrinfo, "example.com", 53, type=socket.SOCK_DGRAM)
            raised(socket.gaierror, socket.getaddrinfo, "example.com", "nonsense")
            raised(socket.gaierror, socket.getaddrinfo, "example.com", 80, flags=socket.AI_NUMERICHOST)
            raised(PermissionError, socket.getaddrinfo, None, 80)
            assert socket.gethostbyname("example.com") == "example.com"
            assert socket.gethostname() == socket.getfqdn() == "sandbox"
            assert socket.getservbyname("https") == 443 and socket.getservbyport(443) == "https"
            assert socket.getnameinfo(("example.com", 80), 0) == ("example.com", "80")
        """)


class Selecting(Case):
    def test_selectors_wait_for_several(self):
        self.sandboxed("""
            import selectors, socket
            with selectors.DefaultSelector() as selector:
                first, second = (socket.create_connection(("localhost", ports.echo)) for _ in range(2))
                selector.register(first, selectors.EVENT_READ, "first")
                selector.register(second, selectors.EVENT_READ | selectors.EVENT_WRITE, "second")
                assert [(key.data, events) for key, events in selector.select()] == [("second", selectors.EVENT_WRITE)]
                selector.modify(second, selectors.EVENT_READ, "second")
                assert selector.select(0.01) == []
                first.send(b"x")
                assert [key.data for key, _ in selector.select(30)] == ["first"]
                second.send(b"x")
                while len(selector.select(30)) < 2:
                    pass
                first.close()
                assert [key.data for key, _ in selector.select(30)] == ["second"]
        """)

    def test_only_connections(self):
        self.sandboxed("""
            import select, selectors, sys, socket
            raised(OSError, select.select, [0], [], [], 0)
            raised(OSError, selectors.DefaultSelector().register, 0, selectors.EVENT_READ)
            closed = socket.socket()
            closed.close()
            raised(ValueError, select.select, [closed], [], [], 0)
            assert select.select([], [], [], 0.01) == ([], [], [])
        """)


class Tls(Case):
    def test_of_a_socket(self):
        self.sandboxed("""
            import socket, ssl
            context = ssl.create_default_context()
            context.set_alpn_protocols(["h2", "http/1.1"])
            plain = socket.create_connection(("localhost", ports.tls_echo))
            with context.wrap_socket(plain, server_hostname="localhost") as sock:
                assert sock.version() == "TLSv1.3" and sock.cipher()[1] == "TLSv1.3"
                assert sock.selected_alpn_protocol() == "http/1.1" and sock.server_hostname == "localhost"
                assert ("DNS", "localhost") in sock.getpeercert()["subjectAltName"]
                sock.sendall(b"z" * 3_000_000)
                assert sock.makefile("rb").read(3_000_000) == b"z" * 3_000_000
                sock.unwrap()
                assert sock.recv(1) == b""
            sock = context.wrap_socket(socket.socket(), server_hostname="localhost")
            sock.connect(("localhost", ports.tls_greet))
            assert sock.read() == b"hello" and sock.read() == b""
            assert "BEGIN CERTIFICATE" in ssl.get_server_certificate(("localhost", ports.tls_greet))
        """)

    def test_without_blocking(self):
        self.sandboxed("""
            import select, socket, ssl
            sock = socket.create_connection(("localhost", ports.tls_echo))
            sock.setblocking(False)
            context = ssl.create_default_context()
            sock = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
            while True:
                try:
                    sock.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    assert select.select([sock], [], [], 30)[0]
            raised(ssl.SSLWantReadError, sock.recv, 1)
            sock.send(b"x")
            while True:
                assert select.select([sock], [], [], 30)[0]
                try:
                    assert sock.recv(1) == b"x"
                    break
                except ssl.SSLWantReadError:
                    pass
        """)

    def test_failures(self):
        self.sandboxed("""
            import socket, ssl
            context = ssl.create_default_context()
            def connect(port, name="localhost", context=context, **options):
                sock = socket.create_connection(("localhost", port), **options)
                return context.wrap_socket(sock, server_hostname=name)
            error = raised(ssl.SSLCertVerificationError, connect, ports.other)
            assert "certificate verify failed" in str(error) and error.reason == "CERTIFICATE_VERIFY_FAILED"
            assert type(raised(ssl.SSLError, connect, ports.greet)) is ssl.SSLError
            raised(TimeoutError, connect, ports.silent, timeout=0.01)
            raised(ssl.SSLError, connect, ports.tls_echo, "example.com")
            raised(ssl.SSLError, context.wrap_socket, connect(ports.tls_echo), server_hostname="localhost")
            raised(ssl.SSLError, context.load_cert_chain, "x.pem")
            plain = socket.create_connection(("localhost", ports.echo))
            raised(ssl.SSLError, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket, plain, True)
            careless = ssl._create_unverified_context()
            assert connect(ports.other, context=careless).getpeercert() == {}
            assert connect(ports.other, context=careless).getpeercert(True)
            raised(ValueError, setattr, context, "verify_mode", ssl.CERT_NONE)
            sock = connect(ports.tls_reset)
            sock.sendall(b"x")
            raised(ConnectionResetError, sock.makefile("rb").read)
        """)

    def test_in_memory(self):
        self.sandboxed("""
            import socket, ssl
            def handshake(port, name="localhost"):
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
                sock = socket.create_connection(("localhost", port))
                while True:
                    try:
                        tls.do_handshake()
                        return sock, tls, incoming, outgoing
                    except ssl.SSLWantReadError:
                        sock.sendall(outgoing.read())
                        incoming.write(sock.recv(1000))
            sock, tls, incoming, outgoing = handshake(ports.tls_greet)
            assert tls.version() == "TLSv1.3" and tls.getpeercert()["version"] == 3
            while data := sock.recv(1000):
                incoming.write(data)
            assert tls.read(2) == b"he" and tls.read() == b"llo"
            raised(ssl.SSLWantReadError, tls.read)
            incoming.write_eof()
            assert tls.read() == b"" and incoming.eof
            raised(ssl.SSLCertVerificationError, handshake, ports.other)
            raised(ssl.SSLError, handshake, ports.tls_echo, "example.com")

            # TLS over what is TLS already.
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
            outer = ssl.create_default_context().wrap_socket(
                socket.create_connection(("localhost", ports.tls_echo)), server_hostname="localhost"
            )
            raised(ssl.SSLWantReadError, tls.do_handshake)
            outer.sendall(outgoing.read())
            incoming.write(outer.recv(1000))
            assert "TLS inside TLS" in str(raised(ssl.SSLError, tls.do_handshake))
        """)

    def test_certificates_look_as_ever(self):
        shown = self.sandboxed("""
            import ssl
            from guest import certificates
            with open(os.environ["CRONBOX_TEST_CERTIFICATE"]) as file:
                text = file.read()
            begin, end = text.index("-----BEGIN CERT"), text.index("-----END CERTIFICATE-----") + 25
            der = ssl.PEM_cert_to_DER_cert(text[begin:end])
            assert certificates.pem(der).split() == text[begin:end].split()
            assert certificates.describe(der[:50]) == {}
            print(json.dumps(certificates.describe(der)))
        """)
        real = ssl._ssl._test_decode_cert(os.environ["CRONBOX_TEST_CERTIFICATE"])
        self.assertEqual(json.loads(shown), json.loads(json.dumps(real)))


class Libraries(Case):
    def test_http_client_and_urllib(self):
        self.sandboxed("""
            import http.client, ssl, urllib.error, urllib.request
            for kind, port in ((http.client.HTTPConnection, ports.http), (http.client.HTTPSConnection, ports.https)):
                connection = kind("localhost", port, timeout=30)
                for _ in range(2):
                    connection.request("POST", "/", b"q" * 500_000)
                    assert connection.getresponse().read() == b"q" * 500_000
                assert sandboxed.Channel.open_now == 1
                connection.close()
            get = urllib.request.urlopen
            for url in (f"http://localhost:{ports.http}", f"https://localhost:{ports.https}"):
                assert get(url + "/a").read() == b"at /a"
                assert get(url + "/to/b").read() == b"at /b"
                assert len(get(url + "/size/2000000").read()) == 2_000_000
            crossing = get(f"http://localhost:{ports.http}/to/https://localhost:{ports.https}/c")
            assert crossing.read().endswith(b"/c")
            for scheme in ("http", "https", "ftp"):
                assert str(raised(PermissionError, get, f"{scheme}://denied.example/")) == sandboxed.SENTENCE
            error = raised(urllib.error.URLError, get, f"https://localhost:{ports.other}/")
            assert isinstance(error.reason, ssl.SSLCertVerificationError)
            raised(ConnectionResetError, get(f"http://localhost:{ports.reset}/").read)
            raised(TimeoutError, get, f"http://localhost:{ports.silent}/", timeout=0.01)
        """)

    def test_asyncio_streams(self):
        self.sandboxed("""
            import asyncio, ssl
            async def talk(port, **options):
                reader, writer = await asyncio.open_connection("localhost", port, **options)
                writer.write(b"line\\n" + b"z" * 2_000_000)
                assert await reader.readline() == b"line\\n"
                assert await reader.readexactly(2_000_000) == b"z" * 2_000_000
                writer.close()
                await writer.wait_closed()
            async def end(port, **options):
                reader, writer = await asyncio.open_connection("localhost", port, **options)
                if writer.can_write_eof():
                    writer.write(b"x" * 1000)
                    writer.write_eof()
                data = await reader.read()
                writer.close()
                await writer.wait_closed()
                return data
            async def main():
                await talk(ports.echo)
                await talk(ports.tls_echo, ssl=True)
                assert await end(ports.count) == b"1000"
                assert await end(ports.tls_greet, ssl=True) == b"hello"
                assert sandboxed.Channel.open_now == 0
            asyncio.run(main())
        """)

    def test_asyncio_waits_for_many_at_once(self):
        self.sandboxed("""
            import asyncio
            async def get(port, **options):
                reader, writer = await asyncio.open_connection("localhost", port, **options)
                writer.write(b"GET / HTTP/1.1\\r\\n\\r\\n")
                answer = await reader.read()
                writer.close()
                return answer[-2:]
            async def main():
                for port, options in ((ports.ten, {}), (ports.tls_ten, {"ssl": True})):
                    answers = await asyncio.gather(*(get(port, **options) for _ in range(10)))
                    assert answers == [b"ok"] * 10
            asyncio.run(main())
            assert sandboxed.Channel.most_open >= 10
        """)

    def test_asyncio_upgrades(self):
        self.sandboxed("""
            import asyncio, ssl
            async def main():
                reader, writer = await asyncio.open_connection("localhost", ports.upgrade)
                assert await reader.readline() == b"220 ready\\r\\n"
                writer.write(b"EHLO\\r\\n")
                assert await reader.readline() == b"250 EHLO\\r\\n"
                writer.write(b"STARTTLS\\r\\n")
                assert await reader.readline() == b"220 go ahead\\r\\n"
                await writer.start_tls(ssl.create_default_context(), server_hostname="localhost")
                writer.write(b"secret\\n")
                assert await reader.readline() == b"secret\\n"
                assert writer.get_extra_info("cipher")[1] == "TLSv1.3"
                writer.close()
                await writer.wait_closed()
            asyncio.run(main())
        """)

    def test_asyncio_failures(self):
        self.sandboxed("""
            import asyncio, socket, ssl
            async def main():
                async def fails(kind, name, port, **options):
                    try:
                        async with asyncio.timeout(options.pop("timeout", 30)):
                            reader, writer = await asyncio.open_connection(name, port, **options)
                            writer.write(b"x")
                            await reader.read()
                    except kind as error:
                        return error
                    raise AssertionError(f"no {kind}")
                assert str(await fails(PermissionError, "denied.example", 80)) == sandboxed.SENTENCE
                await fails(ConnectionRefusedError, "localhost", ports.closed)
                await fails(socket.gaierror, "nowhere.invalid", 80)
                await fails(ConnectionResetError, "localhost", ports.reset)
                await fails(ConnectionResetError, "localhost", ports.tls_reset, ssl=True)
                await fails(ssl.SSLCertVerificationError, "localhost", ports.other, ssl=True)
                await fails(ssl.SSLError, "localhost", ports.greet, ssl=True)
                await fails(TimeoutError, "localhost", ports.silent, timeout=0.05)
                await fails(TimeoutError, "localhost", ports.silent, timeout=0.05, ssl=True)
                loop = asyncio.get_running_loop()
                for refused in (
                    loop.create_server(asyncio.Protocol, "localhost", 0),
                    loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("localhost", 53)),
                    loop.create_unix_connection(asyncio.Protocol, "/run/x"),
                ):
                    try:
                        await refused
                    except PermissionError:
                        continue
                    raise AssertionError("it was not refused")
            asyncio.run(main())
        """)

    def test_asyncio_sockets(self):
        self.sandboxed("""
            import asyncio, socket
            async def main():
                loop = asyncio.get_running_loop()
                sock = socket.socket()
                sock.setblocking(False)
                await loop.sock_connect(sock, ("localhost", ports.echo))
                await loop.sock_sendall(sock, b"y" * 1_000_000)
                size = 0
                while size < 1_000_000:
                    size += len(await loop.sock_recv(sock, 100_000))
                sock.close()
                assert (await loop.getaddrinfo("example.com", 80))[0][4] == ("example.com", 80)
            asyncio.run(main())
        """)
