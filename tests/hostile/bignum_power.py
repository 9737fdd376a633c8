# expect: out_of_fuel memory=128MiB fuel=2e9 timeout=20s
# A short expression with an endless answer: the multiplications inside are what costs.
9**9**9
