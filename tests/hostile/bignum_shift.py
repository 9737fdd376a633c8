# expect: out_of_memory memory=64MiB error=MemoryError
# A shift allocates its whole result at once.
1 << 2**31 - 64
