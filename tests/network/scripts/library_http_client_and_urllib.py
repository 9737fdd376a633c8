from world import *

import http.client, ssl, urllib.error, urllib.request
for kind, port in ((http.client.HTTPConnection, ports.http), (http.client.HTTPSConnection, ports.https)):
    connection = kind("localhost", port, timeout=30)
    for _ in range(2):
        connection.request("POST", "/", b"q" * 500_000)
        assert connection.getresponse().read() == b"q" * 500_000
    connection.close()
get = urllib.request.urlopen
for url in (f"http://localhost:{ports.http}", f"https://localhost:{ports.https}"):
    assert get(url + "/a").read() == b"at /a"
    assert get(url + "/to/b").read() == b"at /b"
    assert len(get(url + "/size/2000000").read()) == 2_000_000
crossing = get(f"http://localhost:{ports.http}/to/https://localhost:{ports.https}/c")
assert crossing.read().endswith(b"/c")
for scheme, port in (("http", 80), ("https", 443), ("ftp", 21)):
    assert str(raised(PermissionError, get, f"{scheme}://denied.example/")) == refusal(port)
error = raised(urllib.error.URLError, get, f"https://localhost:{ports.other}/")
assert isinstance(error.reason, ssl.SSLCertVerificationError)
raised(ConnectionResetError, get(f"http://localhost:{ports.reset}/").read)
raised(TimeoutError, get, f"http://localhost:{ports.silent}/", timeout=0.01)
