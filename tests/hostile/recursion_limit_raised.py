# expect: out_of_memory memory=64MiB fuel=10e9 timeout=20s
# With Python's limit out of the way its frames fill the memory: an end by the limit, never an abort of the process.
import sys

sys.setrecursionlimit(2**31 - 1)


def f(n):
    return f(n + 1) + 1


f(0)
