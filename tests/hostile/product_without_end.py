# expect: out_of_fuel fuel=2e9 timeout=20s
# 40 ** 20 combinations, counted one by one inside C.
import collections
import itertools

collections.deque(itertools.product(range(40), repeat=20), maxlen=0)
