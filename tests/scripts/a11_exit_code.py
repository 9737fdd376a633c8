# expect: failed error=SystemExit message='exit status 3'
# Case A11: an exit is no mistake of a line: it has a code and no traceback (which `exits_have_no_traceback` looks at).
import sys


def run():
    sys.exit(3)
