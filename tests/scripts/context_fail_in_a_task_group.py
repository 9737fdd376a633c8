# expect: failed error=RunFailed message='in a task' result='[1]'
# A task group puts what a task raises into a group of its own.
import asyncio


async def run(context):
    async def task():
        context.fail("in a task", result=[1])

    async with asyncio.TaskGroup() as group:
        group.create_task(task())
