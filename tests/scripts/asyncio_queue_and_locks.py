# expect: succeeded result='{"consumed": 100, "inside": 1}'
# Queues, semaphores, events and locks between tasks.
import asyncio


async def run():
    queue, done, lock = asyncio.Queue(5), [], asyncio.Lock()
    inside = most = 0

    async def consume():
        nonlocal inside, most
        while (item := await queue.get()) is not None:
            async with lock:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
            done.append(item)

    consumers = [asyncio.create_task(consume()) for _ in range(4)]
    for number in range(100):
        await queue.put(number)
    for _ in consumers:
        await queue.put(None)
    await asyncio.gather(*consumers)
    assert sorted(done) == list(range(100))
    return {"consumed": len(done), "inside": most}
