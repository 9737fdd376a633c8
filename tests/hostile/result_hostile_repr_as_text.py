# expect: failed result_kind=text fuel=2e9
# With result = text, what is not JSON is kept as str(value); that str raises an exit.
class Evil:
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


def run():
    return Evil()
