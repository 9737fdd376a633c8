# expect: out_of_fuel fuel=2e9 timeout=20s
# Callbacks that always queue another one: the loop is busy without ever waiting.
import asyncio


async def run():
    loop = asyncio.get_running_loop()

    def again():
        loop.call_soon(again)

    again()
    await asyncio.Event().wait()
