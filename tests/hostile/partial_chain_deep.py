# expect: failed|crashed memory=128MiB fuel=10e9 timeout=20s
# partial objects nested by hand so that they are not flattened.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
import functools


class Nested(functools.partial):
    pass


f = print
for _ in range(100_000):
    f = Nested(f)
    f.tag = None
f()
