# expect: succeeded result='[0, 1, 4]'
# `run` may be a coroutine function.
import asyncio


async def square(number):
    await asyncio.sleep(0)
    return number * number


async def run():
    return [await square(number) for number in range(3)]
