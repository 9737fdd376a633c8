# expect: succeeded result='{"refused": 6}' memory=64MiB
# The other ways to ask for a huge field; those beyond 31 bits never reach the limiter.
from decimal import Decimal


def run():
    attempts = [
        lambda: "%2147483647d" % 1,
        lambda: "%.*f" % (2147483647, 1.5),
        lambda: format(1, "2147483648"),
        lambda: format(Decimal(1), ".500000000f"),
        lambda: "{:{}}".format("x", 10**9),
        lambda: "\t".expandtabs(10**9),
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except (MemoryError, OverflowError, ValueError):
            refused += 1
    return {"refused": refused}
