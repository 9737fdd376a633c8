# expect: failed error=SystemExit message='3'
# Any other status is a failure.
import sys

sys.exit(3)
