# expect: failed error=CancelledError
# A cancellation that the script makes up is not the host's.
import asyncio


async def run():
    raise asyncio.CancelledError("made up")
