# expect: timed_out timeout=1s
# The event loop has nothing to wait for and no timer: it must not spin, and the wall clock must end it.
import asyncio


async def run():
    await asyncio.get_running_loop().create_future()
