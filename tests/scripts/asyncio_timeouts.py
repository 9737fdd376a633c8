# expect: succeeded result='"both timed out"' timeout=20s
# asyncio.timeout and wait_for end a wait in time.
import asyncio
import time


async def run():
    begin = time.monotonic()
    for attempt in range(2):
        try:
            if attempt:
                await asyncio.wait_for(asyncio.sleep(60), 0.05)
            else:
                async with asyncio.timeout(0.05):
                    await asyncio.sleep(60)
        except TimeoutError:
            continue
        raise AssertionError("no time-out")
    assert time.monotonic() - begin < 2
    return "both timed out"
