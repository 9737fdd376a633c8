# expect: failed|crashed memory=128MiB fuel=10e9
# json's C scanner recurses natively.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
import json

json.loads("[" * 100_000 + "]" * 100_000)
