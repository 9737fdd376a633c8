# expect: failed fuel=2e9 memory=64MiB timeout=20s
# A status whose text, truth and number are all hostile.
import sys


class Status:
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __int__ = __index__ = __bool__ = __str__

    def __eq__(self, other):
        return True

    __hash__ = None


sys.exit(Status())
