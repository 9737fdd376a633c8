# expect: succeeded result='{"averages": [10.0, 15.0, 20.0], "flat": [1, 2, 3, 4], "closed": true, "async": [0, 2, 4]}'
# Generators that are sent to, that delegate, that are closed; async ones; context managers made of them.
import contextlib


def average():
    total, count, value = 0, 0, None
    while True:
        received = yield value
        total, count = total + received, count + 1
        value = total / count


def flatten(items):
    for item in items:
        if isinstance(item, list):
            yield from flatten(item)
        else:
            yield item


async def evens():
    for number in range(3):
        yield number * 2


async def run():
    log = []

    @contextlib.contextmanager
    def managed():
        try:
            yield
        finally:
            log.append("closed")

    with contextlib.suppress(KeyError), managed():
        raise KeyError
    averages = average()
    next(averages)
    return {
        "averages": [averages.send(value) for value in (10, 20, 30)],
        "flat": list(flatten([1, [2, [3]], 4])),
        "closed": log == ["closed"],
        "async": [number async for number in evens()],
    }
