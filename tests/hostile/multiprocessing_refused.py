# expect: failed|succeeded memory=64MiB timeout=5s fuel=4e9
# Process pools: a clean error, or the work done at once in this run.
import concurrent.futures


def run():
    with concurrent.futures.ProcessPoolExecutor(max_workers=4) as pool:
        return list(pool.map(abs, [-1, -2]))
