# expect: out_of_fuel truncated=stdout output_limit=64KiB fuel=2e8 memory=64MiB timeout=20s
# Past Python's buffers, straight into the host call.
import os

block = bytes(4096)
while True:
    os.write(1, block)
