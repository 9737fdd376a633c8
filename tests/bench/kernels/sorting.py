import random


def run():
    source = random.Random(7)
    numbers = [source.random() for _ in range(120_000)]
    numbers.sort()
    return sorted(numbers, key=lambda x: -x)[0] >= numbers[0]
