# expect: succeeded result='"coarse"' fuel=20e9 timeout=10s
# Clocks are too coarse for measuring caches: the monotonic one moves in steps of a millisecond.
import time


def smallest_step(clock):
    steps, last = [], clock()
    while len(steps) < 20:
        now = clock()
        if now != last:
            steps.append(now - last)
            last = now
    return min(steps)


def run():
    for clock in (time.perf_counter_ns, time.monotonic_ns):
        assert smallest_step(clock) >= 900_000, (clock.__name__, smallest_step(clock))
    return "coarse"
