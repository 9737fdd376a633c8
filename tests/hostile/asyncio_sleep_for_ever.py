# expect: timed_out timeout=1s
# A coroutine that sleeps longer than any limit.
import asyncio


async def run():
    await asyncio.sleep(1e9)
