# expect: succeeded result='{"refused": 8}' memory=64MiB
# Single allocations of every kind that fit no 32-bit memory, or not this run's; each must be a clean exception.
import array


def run():
    attempts = [
        lambda: [0] * 10**9,
        lambda: bytes(2**31),
        lambda: bytearray(2**30),
        lambda: array.array("d", bytes(8)) * 10**8,
        lambda: (None,) * 10**8,
        lambda: "x".ljust(2**31 - 1),
        lambda: b"".join([bytes(1 << 20)] * 2000),
        lambda: list(range(2**31 - 1)),
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except (MemoryError, OverflowError):
            refused += 1
    return {"refused": refused}
