from world import *

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
    assert str(await fails(PermissionError, "denied.example", 80)) == refusal(80)
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
