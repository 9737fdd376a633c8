# expect: succeeded|failed result='["a", 1, 1.5]' fuel=2e9
# Subclasses of str, int and float with hostile methods: taken by their real values or refused, never believed.
class Text(str):
    def __str__(self):
        raise SystemExit(0)

    encode = __repr__ = __format__ = __str__


class Number(int):
    def __repr__(self):
        return "1, 2, 3"

    __str__ = __int__ = __index__ = __repr__


class Real(float):
    def __repr__(self):
        return "NaN"

    __str__ = __repr__


def run():
    return [Text("a"), Number(1), Real(1.5)]
