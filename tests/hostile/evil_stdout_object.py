# expect: out_of_fuel fuel=2e9 timeout=20s
# sys.stdout is an object whose flush never returns: what the harness flushes at the end is in the budget.
import sys


class Evil:
    def write(self, text):
        return len(text)

    def flush(self):
        while True:
            pass


sys.stdout = sys.__stdout__ = Evil()
sys.stdout.flush()
