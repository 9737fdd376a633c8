# expect: out_of_fuel truncated=stdout output_limit=64KiB fuel=3e9 memory=64MiB timeout=20s
# Gigabytes of output: kept up to the limit, marked, and no memory of the host (GHSA-gqmc-89g8-p25r).
block = "x" * 10**6
while True:
    print(block)
