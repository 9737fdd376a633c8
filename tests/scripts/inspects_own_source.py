# expect: succeeded result='"def add(a, b):\n    return a + b\n"'
# inspect finds the source, linecache too.
import inspect
import linecache


def add(a, b):
    return a + b


def run():
    assert "def add" in linecache.getline(__file__, add.__code__.co_firstlineno)
    return inspect.getsource(add)
