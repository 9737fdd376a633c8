# expect: succeeded result='[true, true]'
# The resolution of the clock is asked for: answered, without a system call that the locked process may not make.
import time


def run():
    return [0 < time.get_clock_info("time").resolution < 1, 0 < time.clock_getres(time.CLOCK_REALTIME) < 1]
