def run():
    n = 0
    for i in range(1_500_000):
        n += i & 7
    return n
