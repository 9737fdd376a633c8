# expect: out_of_fuel fuel=1e9 timeout=20s
# The same through the file system.
import os

while True:
    try:
        os.stat("/tmp/nothing")
    except OSError:
        pass
