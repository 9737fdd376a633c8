# expect: out_of_memory memory=48MiB fuel=20e9 timeout=30s
# Interned names live in a table of the interpreter.
import sys

keep, number = [], 0
while True:
    keep.append(sys.intern(f"name_{number}_" + "x" * 200))
    number += 1
