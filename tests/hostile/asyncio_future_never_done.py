# expect: failed error=RuntimeError message='this wait would never end' timeout=5s
# The event loop has nothing to wait for and no timer: it must not spin, and says so at once.
import asyncio


async def run():
    await asyncio.get_running_loop().create_future()
