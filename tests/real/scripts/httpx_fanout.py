# expect: succeeded hosts=http env=API=http://127.0.0.1:{http} stdout='24 ok, 1 failed' stdout='404 for 13' stdout='value of the stock: 1368' output=items.json
# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx"]
# ///
import asyncio
import json
import os
import time

import httpx

API = os.getenv("API", "https://api.example.com")
CONCURRENCY = 5


async def fetch(client: httpx.AsyncClient, sem: asyncio.Semaphore, n: int) -> dict:
    async with sem:
        for attempt in range(3):
            try:
                r = await client.get(f"/api/items/{n}")
                r.raise_for_status()
                return r.json()
            except (httpx.ConnectTimeout, httpx.ReadTimeout):
                await asyncio.sleep(0.01 * 2**attempt)
        raise RuntimeError(f"{n}: gave up")


async def main():
    t0 = time.monotonic()
    sem = asyncio.Semaphore(CONCURRENCY)
    limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
    async with httpx.AsyncClient(base_url=API, timeout=httpx.Timeout(10.0, connect=5.0), limits=limits) as client:
        results = await asyncio.gather(*(fetch(client, sem, n) for n in range(1, 26)), return_exceptions=True)
    ok = [r for r in results if not isinstance(r, Exception)]
    for r in results:
        if isinstance(r, httpx.HTTPStatusError):
            print(r.response.status_code, "for", r.request.url.path.rsplit("/", 1)[-1])
        elif isinstance(r, Exception):
            print("!!", repr(r))
    print(f"{len(ok)} ok, {len(results) - len(ok)} failed")
    print("value of the stock:", sum(i["price"] * i["stock"] for i in ok))
    with open("/output/items.json", "w") as f:
        json.dump(sorted(ok, key=lambda i: -i["price"]), f, indent=2)
    print(f"took {time.monotonic() - t0:.2f}s")


asyncio.run(main())
