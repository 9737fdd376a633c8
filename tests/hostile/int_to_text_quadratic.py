# expect: out_of_fuel memory=128MiB fuel=2e9 timeout=20s
# Digits of a huge int. It needs the lazily imported _pylong, which must be there: no ModuleNotFoundError.
import sys

sys.set_int_max_str_digits(0)
str(3**20_000_000)
