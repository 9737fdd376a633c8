# expect: failed|crashed memory=128MiB fuel=10e9 timeout=20s
# repr of a list nested 200,000 deep.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
deep = []
for _ in range(200_000):
    deep = [deep]
repr(deep)
