# expect: succeeded result='[true, true, true]' timeout=20s
# Waits with memory that cannot be packed smaller: first as much as is tried, then far more.
import os
import time
import zlib


def run():
    found = []
    for size in (1, 12, 90):
        block = b"".join(os.urandom(65536) for _ in range(size * 16))
        before = zlib.crc32(block)
        for _ in range(3):
            time.sleep(0.11)
        found.append(zlib.crc32(block) == before)
    return found
