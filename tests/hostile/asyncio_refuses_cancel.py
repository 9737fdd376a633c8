# expect: timed_out timeout=1s
# A task that swallows every cancellation keeps asyncio.run from ending.
import asyncio


async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass


async def run():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    return 1
