# expect: out_of_memory memory=64MiB error=MemoryError
# A gigabyte of entropy at once.
import os

os.urandom(1 << 30)
