# expect: failed error=LookupError message='after the wait'
# An error in a coroutine.
import asyncio


async def run():
    await asyncio.sleep(0.001)
    raise LookupError("after the wait")
