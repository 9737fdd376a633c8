# expect: timed_out timeout=1s
# A wait through select with nothing to wait for, tried again should it be refused.
import select
import time

while True:
    try:
        select.select([], [], [], 1e6)
    except (OSError, ValueError, OverflowError):
        time.sleep(1e6)
