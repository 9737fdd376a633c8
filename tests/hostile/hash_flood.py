# expect: out_of_fuel fuel=4e9 timeout=20s
# The hash seed is fixed per build and hashes are 32 bits wide: multiples of 2 ** 31 - 1 all hash to 0, so that
# 100,000 keys take 5 * 10 ** 9 comparisons.
assert hash(5 * (2**31 - 1)) == 0, "the keys no longer collide"
{i * (2**31 - 1): None for i in range(100_000)}
