# expect: failed fuel=2e9 timeout=3s
# An awaitable that yields what no event loop understands.
class Evil:
    def __await__(self):
        yield object()


async def run():
    await Evil()
