# expect: failed|succeeded result='7' fuel=2e9 timeout=3s
# run returns an object that claims to be a coroutine: awaited as one, or refused as a result.
import collections.abc


class Lie(collections.abc.Coroutine):
    def send(self, value):
        raise StopIteration(7)

    def throw(self, *args):
        raise StopIteration(8)

    def close(self):
        raise SystemExit(0)

    def __await__(self):
        return self


def run():
    return Lie()
