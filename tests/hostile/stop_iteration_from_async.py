# expect: failed error=RuntimeError message='StopIteration'
# StopIteration may not leave a coroutine.
async def run():
    raise StopIteration(0)
