# expect: out_of_fuel fuel=1e9 timeout=20s
# Host calls without end: each must cost fuel or be bounded, and they must not fill host memory.
import time

while True:
    time.time_ns()
