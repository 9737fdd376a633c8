def run():
    counts = {}
    for n in range(250_000):
        key = str(n % 5_000)
        counts[key] = counts.get(key, 0) + n
    return len(counts)
