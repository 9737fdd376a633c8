# expect: out_of_fuel|out_of_memory memory=64MiB fuel=4e9 timeout=20s
# Nested lists of references to each other: small to load, endless to show. Fuel and memory are near each other here.
import pickle

bomb = b"(lp0\n" + b"".join(b"(lp%d\n" % n + b"g%d\na" % (n - 1) * 10 for n in range(1, 30)) + b"."
repr(pickle.loads(bomb))
