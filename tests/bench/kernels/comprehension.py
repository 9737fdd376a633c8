def run():
    return sum(sum(x * y for x in range(300)) for y in range(2_000))
