# expect: succeeded|out_of_fuel result='1' fuel=2e9 timeout=20s
# The same for weakref.finalize and for objects that live until the end.
import weakref


class Evil:
    def __del__(self):
        while True:
            pass


keep = Evil()
weakref.finalize(keep, keep.__del__)


def run():
    return 1
