# expect: out_of_memory memory=64MiB error=MemoryError
# One allocation far above the limit.
"x" * 10**9
