# expect: out_of_fuel fuel=2e9 timeout=20s
# Exponential matching inside C.
import re

re.match(r"(a+)+$", "a" * 40 + "b")
