# expect: succeeded result='{"served": 500, "longest_queue": 13, "mean_wait": 3.056}' fuel=8e9
# Customers at two counters, event by event, seeded.
import heapq
import random
import statistics


def run():
    rng = random.Random(7)
    arrivals, clock = [], 0.0
    for _ in range(500):
        clock += rng.expovariate(1.0)
        arrivals.append(clock)
    free, waits, leaving, longest = [0.0, 0.0], [], [], 0
    for at in arrivals:
        while leaving and leaving[0] <= at:
            heapq.heappop(leaving)
        start = max(at, heapq.heappop(free))
        end = start + rng.uniform(0.5, 3.0)
        heapq.heappush(free, end)
        heapq.heappush(leaving, start)
        longest = max(longest, len(leaving))
        waits.append(start - at)
    return {"served": len(waits), "longest_queue": longest, "mean_wait": round(statistics.fmean(waits), 3)}
