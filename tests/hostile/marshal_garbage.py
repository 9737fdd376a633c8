# expect: succeeded|crashed fuel=4e9 memory=64MiB timeout=20s
# marshal trusts its input. 2,000 damaged inputs: clean errors or a crash of this sandbox alone.
import marshal
import random

rng = random.Random(1)
good = marshal.dumps([{"a": (1, 2.5, "text")}, compile("x = 1", "f", "exec")])
for _ in range(2_000):
    bad = bytearray(good)
    for _ in range(3):
        bad[rng.randrange(len(bad))] = rng.randrange(256)
    try:
        marshal.loads(bytes(bad))
    except (EOFError, ValueError, TypeError, MemoryError, SystemError, OverflowError, RecursionError):
        pass
