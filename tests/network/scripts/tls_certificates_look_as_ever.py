from world import *

import json, socket, ssl
sock = socket.create_connection(("localhost", ports.tls_echo))
sock = ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")
# As OpenSSL shows it.
assert json.loads(json.dumps(sock.getpeercert())) == certificate, sock.getpeercert()
der = sock.getpeercert(True)
assert ssl.PEM_cert_to_DER_cert(ssl.DER_cert_to_PEM_cert(der)) == der
