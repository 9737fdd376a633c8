# expect: failed|crashed memory=128MiB fuel=10e9
# The encoder's side of it.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
import json

deep = []
for _ in range(100_000):
    deep = [deep]
json.dumps(deep)
