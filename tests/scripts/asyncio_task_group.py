# expect: succeeded result='["a", "b"]'
# TaskGroup: all results, and one failure cancels the others.
import asyncio


async def say(word, delay):
    await asyncio.sleep(delay)
    return word


async def fail():
    await asyncio.sleep(0.01)
    raise ValueError("one failed")


async def run():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(say("a", 0.02)), group.create_task(say("b", 0.01))]
    cancelled = None
    try:
        async with asyncio.TaskGroup() as group:
            cancelled = group.create_task(asyncio.sleep(60))
            group.create_task(fail())
    except* ValueError as caught:
        assert [str(error) for error in caught.exceptions] == ["one failed"]
    assert cancelled.cancelled()
    return [task.result() for task in tasks]
