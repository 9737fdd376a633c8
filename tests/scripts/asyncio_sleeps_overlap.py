# expect: succeeded result='20' timeout=20s
# 20 waits of 0.2 s take the time of one.
import asyncio
import time


async def wait(number):
    await asyncio.sleep(0.2)
    return number


async def run():
    begin = time.monotonic()
    done = await asyncio.gather(*(wait(number) for number in range(20)))
    elapsed = time.monotonic() - begin
    assert done == list(range(20))
    assert 0.15 <= elapsed < 2, elapsed
    return len(done)
