# expect: failed error=ResultError fuel=2e9
# An object that lies about what it is and raises when it is looked at.
class Evil:
    @property
    def __class__(self):
        raise SystemExit(0)

    def __getattribute__(self, name):
        raise SystemExit(0)

    __iter__ = __len__ = __str__ = __repr__ = __getattribute__


def run():
    return [Evil()]
