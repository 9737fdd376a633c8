# expect: succeeded result='["bad", "bad", "bad"]'
# An exception in such a call arrives where the result is asked for.
import asyncio
import concurrent.futures


def fail():
    raise ValueError("bad")


async def run():
    seen = []
    try:
        await asyncio.to_thread(fail)
    except ValueError as error:
        seen.append(str(error))
    try:
        await asyncio.get_running_loop().run_in_executor(None, fail)
    except ValueError as error:
        seen.append(str(error))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        seen.append(str(pool.submit(fail).exception()))
    return seen
