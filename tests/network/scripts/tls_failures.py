from world import *

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
