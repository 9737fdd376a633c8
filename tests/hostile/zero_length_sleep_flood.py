# expect: out_of_fuel|timed_out fuel=1e9 timeout=3s
# Waits of no time at all give the processor back each time. They must not keep others from running; fuel or the
# clock ends them, depending on how long a wait of zero takes.
import time

while True:
    time.sleep(0)
