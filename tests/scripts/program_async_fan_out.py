# expect: succeeded result='{"answered": 16, "late": 4, "most_at_once": 5}' timeout=20s
# 20 requests, at most five at once, each with a time-out; the slow ones are given up.
import asyncio
import time


async def run():
    gate, at_once, most = asyncio.Semaphore(5), 0, 0

    async def ask(number):
        nonlocal at_once, most
        async with gate:
            at_once += 1
            most = max(most, at_once)
            try:
                async with asyncio.timeout(0.3):
                    await asyncio.sleep(30 if number % 5 == 4 else 0.01)
                    return number
            except TimeoutError:
                return None
            finally:
                at_once -= 1

    begin = time.monotonic()
    answers = await asyncio.gather(*(ask(number) for number in range(20)))
    assert time.monotonic() - begin < 5
    return {"answered": sum(a is not None for a in answers), "late": answers.count(None), "most_at_once": most}
