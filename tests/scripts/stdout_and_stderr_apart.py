# expect: succeeded result='null' stdout='to stdout' stderr='to stderr'
# Two streams, kept apart.
import sys

print("to stdout")
print("to stderr", file=sys.stderr)
