# expect: crashed
# abort() is a trap.
import os

os.abort()
