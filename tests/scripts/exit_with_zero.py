# expect: succeeded result='null' stdout='before'
# sys.exit(0) is a success.
import sys

print("before")
sys.exit(0)
print("after")
