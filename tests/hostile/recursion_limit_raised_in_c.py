# expect: failed|crashed memory=128MiB fuel=10e9 timeout=20s
# The same through C code, where every level takes native stack.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
import functools
import sys

sys.setrecursionlimit(2**31 - 1)


class Deep:
    def __repr__(self):
        return repr([self, self])


repr(Deep())
