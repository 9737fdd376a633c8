# expect: succeeded|out_of_fuel result='1' fuel=2e9 timeout=20s
# The interpreter is thrown away, not shut down, so atexit need not run; if it does, the same budget covers it.
import atexit


def run():
    def loop():
        while True:
            pass

    atexit.register(loop)
    return 1
