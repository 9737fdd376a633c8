# expect: succeeded result='true'
# Case A9: CPU time begins at 0 with the run, grows with its work, and stands still while it waits.
import os
import time
import timeit


def run():
    first = time.process_time()
    sum(range(200_000))
    worked = time.process_time()
    time.sleep(0.2)
    waited = time.process_time()
    times = os.times()
    clocks = [time.get_clock_info(name) for name in ("process_time", "thread_time")]
    return (
        0 <= first < 0.5
        and worked > first
        and waited - worked < 0.1
        and time.thread_time_ns() >= waited * 1e9
        and 0 <= times.user < 5
        and all(clock.monotonic and not clock.adjustable and 0 < clock.resolution <= 1 for clock in clocks)
        and timeit.timeit("1 + 1", number=10) >= 0
    )
