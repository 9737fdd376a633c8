# expect: failed error=io.UnsupportedOperation message='no standard input'
# Case A3: a run that was given nothing to read says so, instead of reading nothing.
import sys


def run():
    return sum(float(line) for line in sys.stdin)
