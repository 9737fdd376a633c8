from world import *

import socket
assert socket.getaddrinfo("example.com", "https") == [
    (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("example.com", 443))
]
assert socket.getaddrinfo("::1", 80)[0][::4] == (socket.AF_INET6, ("::1", 80, 0, 0))
assert socket.getaddrinfo("b\xfccher.example", None)[0][4] == ("xn--bcher-kva.example", 0)
raised(socket.gaierror, socket.getaddrinfo, "example.com", 53, type=socket.SOCK_DGRAM)
raised(socket.gaierror, socket.getaddrinfo, "example.com", "nonsense")
raised(socket.gaierror, socket.getaddrinfo, "example.com", 80, flags=socket.AI_NUMERICHOST)
raised(PermissionError, socket.getaddrinfo, None, 80)
assert socket.gethostbyname("example.com") == "example.com"
assert socket.gethostname() == socket.getfqdn() == "sandbox"
assert socket.getservbyname("https") == 443 and socket.getservbyport(443) == "https"
assert socket.getnameinfo(("example.com", 80), 0) == ("example.com", "80")
