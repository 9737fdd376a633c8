# expect: failed error=SystemExit fuel=2e9
# An exit from a nest of handlers, the last word being a status that is not 0.
import sys


def run():
    try:
        sys.exit(0)
    finally:
        try:
            sys.exit("inner")
        finally:
            sys.exit(2**70)
