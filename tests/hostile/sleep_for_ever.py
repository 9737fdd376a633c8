# expect: timed_out timeout=1s
# A guest that waits in a host call burns no fuel: only the wall clock ends it (GHSA-j366-h8gg-77pm).
import time

time.sleep(1e9)
