# expect: crashed
# faulthandler's way to crash on purpose.
import faulthandler


def run():
    faulthandler._sigsegv()
    raise AssertionError("still alive")
