# expect: out_of_fuel fuel=1e9 stopped_at=count:8
# A script that is stopped says where it stood: the user's innermost line.


def count(start):
    """Counts for ever."""
    n = start
    while True: n += 1  # fmt: skip


def run():
    return count(1)
