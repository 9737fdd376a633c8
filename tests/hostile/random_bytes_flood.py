# expect: out_of_fuel fuel=1e9 memory=64MiB timeout=20s
# Entropy without end: asking the host for it must cost fuel.
import os

while True:
    os.urandom(65_536)
