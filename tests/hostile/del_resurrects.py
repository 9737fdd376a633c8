# expect: succeeded result='true' fuel=2e9 memory=64MiB
# Objects that come back from every collection.
import gc

saved = []


class Phoenix:
    def __init__(self):
        self.me = self

    def __del__(self):
        saved.append(self)


def run():
    for _ in range(1000):
        Phoenix()
    gc.collect()
    gc.collect()
    return len(saved) == 1000
