from world import *

import asyncio, ssl
async def talk(port, **options):
    reader, writer = await asyncio.open_connection("localhost", port, **options)
    writer.write(b"line\n" + b"z" * 2_000_000)
    assert await reader.readline() == b"line\n"
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
asyncio.run(main())
