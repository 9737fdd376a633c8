# expect: out_of_fuel fuel=2e9 timeout=20s
# A finalizer that runs while the script still does.
class Evil:
    def __del__(self):
        while True:
            pass


def run():
    Evil()
    return 1
