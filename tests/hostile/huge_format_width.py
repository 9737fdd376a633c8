# expect: out_of_memory memory=64MiB error=MemoryError
# A width in a format specification is an allocation.
f"{1:>{10**9}}"
