# expect: failed error=SystemExit
# True is 1, not success.
import sys

sys.exit(True)
