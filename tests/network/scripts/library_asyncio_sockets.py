from world import *

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
