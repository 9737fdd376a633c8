# expect: failed error=KeyError stdout='half way' stderr='warned'
# Output up to the failure is kept.
import sys

print("half way")
print("warned", file=sys.stderr)
{}["missing"]
