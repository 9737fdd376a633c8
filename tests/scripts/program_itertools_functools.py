# expect: succeeded result='{"fib": 354224848179261915075, "primes": [2, 3, 5, 7, 11, 13, 17, 19, 23, 29], "pairs": 10, "runs": [["a", 3], ["b", 1], ["a", 2]], "chunks": [[1, 2], [3, 4], [5]]}'
# Iterators and higher-order functions.
import functools
import itertools
import operator


@functools.cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def primes():
    found = []
    for n in itertools.count(2):
        if all(n % p for p in itertools.takewhile(lambda p: p * p <= n, found)):
            found.append(n)
            yield n


def run():
    assert functools.reduce(operator.mul, range(1, 11)) == 3_628_800
    return {
        "fib": fib(100),
        "primes": list(itertools.islice(primes(), 10)),
        "pairs": len(list(itertools.combinations("abcde", 2))),
        "runs": [[key, len(list(group))] for key, group in itertools.groupby("aaabaa")],
        "chunks": [list(chunk) for chunk in itertools.batched([1, 2, 3, 4, 5], 2)],
    }
