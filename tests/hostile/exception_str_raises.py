# expect: failed error=Evil fuel=2e9
# An exception that cannot be shown.
class Evil(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


def run():
    raise Evil()
