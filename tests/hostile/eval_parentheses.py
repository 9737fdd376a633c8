# expect: failed error=MemoryError message='Parser stack overflowed' memory=128MiB fuel=10e9
# Nesting in source text meets the parser's own limit: a MemoryError though the limiter refused nothing.
eval("(" * 100_000 + ")" * 100_000)
