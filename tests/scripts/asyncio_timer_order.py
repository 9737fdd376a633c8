# expect: succeeded result='["now", "soon", "later", "last"]'
# call_soon, call_later, call_at fire in order of their time.
import asyncio


async def run():
    loop, order = asyncio.get_running_loop(), []
    finished = loop.create_future()
    loop.call_later(0.03, order.append, "later")
    loop.call_at(loop.time() + 0.01, order.append, "soon")
    loop.call_later(0.05, lambda: (order.append("last"), finished.set_result(None)))
    loop.call_soon(order.append, "now")
    await finished
    return order
