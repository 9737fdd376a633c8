# expect: failed error=ResultError fuel=8e9 memory=128MiB timeout=20s
# A number with two million digits, CPython's own limit for digits lifted: its length can be told from bit_length, and
# must be, for the digits cost more than the fuel there is.
import sys


def run():
    sys.set_int_max_str_digits(0)
    return {"number": 1 << 7_000_000}
