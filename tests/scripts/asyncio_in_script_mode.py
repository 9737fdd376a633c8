# expect: succeeded stdout='[1, 2]'
# asyncio.run at top level, more than once.
import asyncio


async def later(value):
    await asyncio.sleep(0.001)
    return value


print([asyncio.run(later(1)), asyncio.run(later(2))])
