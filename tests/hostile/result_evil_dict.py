# expect: succeeded|failed result='{"a": 1}' fuel=2e9
# A dict whose methods lie: taken by its real contents or refused, never believed.
class Evil(dict):
    def items(self):
        while True:
            yield ("x", self)

    def __iter__(self):
        while True:
            yield "x"

    keys = values = __iter__

    def __len__(self):
        return -1


def run():
    return Evil(a=1)
