# expect: succeeded result='{"inside": 78432, "pi": 3.13728}' fuel=20e9
# Pi by 100,000 darts; a seeded generator draws the same numbers everywhere.
import random


def run():
    rng = random.Random(42)
    inside = sum(rng.random() ** 2 + rng.random() ** 2 <= 1 for _ in range(100_000))
    return {"inside": inside, "pi": 4 * inside / 100_000}
