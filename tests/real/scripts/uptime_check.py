# expect: failed hosts=http,closed env=SITES=http://127.0.0.1:{http}/up/ok,http://127.0.0.1:{http}/up/broken,http://127.0.0.1:{http}/up/moved,http://127.0.0.1:{http}/up/once,http://127.0.0.1:{closed}/ stdout='3 up, 2 down' stdout='DOWN 500' stdout='DOWN ConnectionError' error=SystemExit exit=1
# /// script
# dependencies = ["requests"]
# ///
import concurrent.futures
import os
import socket
import ssl
import sys
import time
from urllib.parse import urlparse

import requests

SITES = os.environ["SITES"].split(",")
RETRIES = 2
lines = []


def port_open(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        return sock.connect_ex((host, port)) == 0


def check(url):
    err = None
    for attempt in range(RETRIES):
        start = time.perf_counter()
        try:
            r = requests.get(url, timeout=5, headers={"Cache-Control": "no-cache"})
            if r.ok:
                return url, True, f"{r.status_code} {len(r.history)} hops", time.perf_counter() - start
            err = r.status_code
        except requests.exceptions.SSLError as e:
            err = "SSL"
        except requests.RequestException as e:
            err = type(e).__name__
        time.sleep(0.01 * 2 ** attempt)
    return url, False, err, 0


with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
    futures = {pool.submit(check, u): u for u in SITES}
    for fut in concurrent.futures.as_completed(futures, timeout=30):
        url, up, info, took = fut.result()
        lines.append((url, up, info))
        print(f"{'UP  ' if up else 'DOWN'} {info} {took * 1000:.0f}ms {url}")

for url in SITES:
    u = urlparse(url)
    print(u.port, "open" if port_open(u.hostname, u.port) else "closed")

down = [l for l in lines if not l[1]]
print(f"{len(lines) - len(down)} up, {len(down)} down")
if down:
    sys.exit(1)
