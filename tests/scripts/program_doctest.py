# expect: succeeded result='[3, 0]'
# Examples in docstrings, found and run.
import doctest


def double(value):
    """
    >>> double(2)
    4
    >>> double("ab")
    'abab'
    >>> double(None)
    Traceback (most recent call last):
    TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'
    """
    return value * 2


def run():
    tests = doctest.DocTestFinder().find(double, "double", module=False, globs={"double": double})
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        runner.run(test)
    return [runner.tries, runner.failures]
