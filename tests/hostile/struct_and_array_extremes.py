# expect: succeeded result='{"refused": 7}' memory=64MiB
# Sizes in formats and counts that overflow.
import array
import struct


def run():
    attempts = [
        lambda: struct.calcsize(f"{2**31}Q"),
        lambda: struct.pack(f"{10**9}x"),
        lambda: struct.calcsize("9" * 4000 + "s"),
        lambda: array.array("q", [0]) * 2**30,
        lambda: array.array("B").frombytes(bytes(10**9)),
        lambda: int.from_bytes(bytes(10**9)),
        lambda: (1).to_bytes(10**9),
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except (struct.error, MemoryError, OverflowError, ValueError):
            refused += 1
    return {"refused": refused}
