from world import *

import asyncio, ssl
async def main():
    reader, writer = await asyncio.open_connection("localhost", ports.upgrade)
    assert await reader.readline() == b"220 ready\r\n"
    writer.write(b"EHLO\r\n")
    assert await reader.readline() == b"250 EHLO\r\n"
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"220 go ahead\r\n"
    await writer.start_tls(ssl.create_default_context(), server_hostname="localhost")
    writer.write(b"secret\n")
    assert await reader.readline() == b"secret\n"
    assert writer.get_extra_info("cipher")[1] == "TLSv1.3"
    writer.close()
    await writer.wait_closed()
asyncio.run(main())
