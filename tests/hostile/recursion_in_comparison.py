# expect: failed|crashed memory=64MiB
# Two lists that contain themselves, compared.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
a, b = [], []
a.append(b)
b.append(a)
a == b
