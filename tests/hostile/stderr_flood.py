# expect: out_of_fuel truncated=stderr output_limit=1KiB fuel=4e8 memory=64MiB timeout=20s
# The same in single characters: the price of each call must be part of the budget.
import sys

while True:
    sys.stderr.write("x")
