# expect: succeeded result='1'
# Interpreter knobs at their ends.
import gc
import sys


def run():
    sys.setswitchinterval(1e-9)
    sys.setswitchinterval(1e6)
    gc.set_threshold(1, 1, 1)
    gc.set_threshold(2**31 - 1, 2**31 - 1, 2**31 - 1)
    sys.set_int_max_str_digits(640)
    sys.flags
    return 1
