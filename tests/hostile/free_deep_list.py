# expect: crashed|succeeded memory=128MiB fuel=10e9 timeout=20s
# A list nested a million deep is freed; where CPython does not do it in pieces the wasm stack ends.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
deep = []
for _ in range(1_000_000):
    deep = [deep]
del deep
