# expect: out_of_fuel fuel=2e9 timeout=20s
# Paths of many steps, and such as are longer than any path can be: looked at by the byte and by the step.
import os

steps = "/tmp" + "/../tmp" * 500
long = "/tmp/" + "x/" * 500_000
while True:
    for path in (steps, long):
        try:
            os.stat(path)
        except OSError:
            pass
