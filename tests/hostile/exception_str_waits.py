# expect: timed_out timeout=1s
# Showing the exception waits; the wall clock still runs.
import time


class Evil(Exception):
    def __str__(self):
        time.sleep(1e9)
        return "late"


raise Evil()
