# expect: succeeded result='["main", "task 0", "task 1", "task 2"]'
# Each task has its own value.
import asyncio
import contextvars

name = contextvars.ContextVar("name", default="main")


async def work(number):
    name.set(f"task {number}")
    await asyncio.sleep(0.001 * (3 - number))
    return name.get()


async def run():
    seen = await asyncio.gather(*(work(number) for number in range(3)))
    return [name.get(), *seen]
