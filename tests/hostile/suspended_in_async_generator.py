# expect: timed_out fuel=2e9 timeout=1s
# An async generator that waits while it is closed, at the end of asyncio.run.
import asyncio


async def stuck():
    try:
        yield 1
    finally:
        await asyncio.sleep(3600)


async def run():
    generator = stuck()
    await anext(generator)
    await generator.aclose()
