# expect: timed_out timeout=300ms stopped_at=<module>:7
# In script mode, outside of any function, waiting for the clock.
import time

print("waits")
for _ in range(100):
    time.sleep(
        10
    )
