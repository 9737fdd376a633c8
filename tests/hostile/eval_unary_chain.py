# expect: failed error=MemoryError message='Parser stack overflowed' memory=128MiB fuel=10e9
# The same with operators, where each level is a call of the parser.
eval("-" * 100_000 + "1")
