# expect: succeeded result='1' fuel=2e9
# Streams that raise, are None, or are closed when the harness comes to flush them.
import sys


class Raises:
    def __getattr__(self, name):
        raise SystemExit(0)


def run():
    sys.stdout = Raises()
    sys.stderr = None
    sys.__stdout__ = sys.__stderr__ = Raises()
    return 1
