# expect: timed_out timeout=1s
# Waits that are short one by one must add up against the wall clock.
import time

while True:
    time.sleep(0.05)
