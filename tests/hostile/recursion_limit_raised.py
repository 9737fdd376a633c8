# expect: crashed memory=64MiB fuel=10e9 timeout=20s
# With Python's limit out of the way the wasm stack ends the recursion: a trap, never an abort of the sandbox process.
import sys

sys.setrecursionlimit(2**31 - 1)


def f(n):
    return f(n + 1) + 1


f(0)
