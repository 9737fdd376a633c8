# expect: succeeded result='null' result_kind=none fuel=2e9
# With result = none the value is not even looked at.
class Evil:
    def __getattribute__(self, name):
        raise SystemExit(1)

    __str__ = __repr__ = __iter__ = __getattribute__


def run():
    return Evil()
