# expect: succeeded result='[4, 9, 16, [1, 2, 3]]'
# to_thread, run_in_executor and ThreadPoolExecutor run the call at once, in the caller's thread.
import asyncio
import concurrent.futures
import threading


def square(number):
    assert threading.current_thread() is threading.main_thread()
    return number * number


async def run():
    loop = asyncio.get_running_loop()
    first = await asyncio.to_thread(square, 2)
    second = await loop.run_in_executor(None, square, 3)
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        future = pool.submit(square, 4)
        assert future.done()
        return [first, second, future.result(), list(pool.map(abs, [-1, -2, -3]))]
