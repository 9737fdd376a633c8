from world import *

import asyncio
async def get(port, **options):
    reader, writer = await asyncio.open_connection("localhost", port, **options)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer[-2:]
async def main():
    for port, options in ((ports.ten, {}), (ports.tls_ten, {"ssl": True})):
        answers = await asyncio.gather(*(get(port, **options) for _ in range(10)))
        assert answers == [b"ok"] * 10
asyncio.run(main())
