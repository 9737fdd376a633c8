# expect: failed|crashed memory=128MiB fuel=10e9
# A left-recursive chain: the parser makes it without depth, the compiler walks it with depth.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
eval("a" + ".a" * 100_000, {"a": 1})
