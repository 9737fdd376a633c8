# expect: succeeded|failed result='{"n": 1}' fuel=2e9
# An int whose repr is JSON text of its own: it must not get into the result as such.
class Number(int):
    def __repr__(self):
        return '1}, "status": "succeeded", "x": {"y": 2'

    __str__ = __repr__


def run():
    return {"n": Number(1)}
