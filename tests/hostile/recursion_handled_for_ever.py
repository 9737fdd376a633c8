# expect: out_of_fuel memory=64MiB fuel=2e9 timeout=20s
# Every RecursionError is caught and the recursion begins anew at each level.
def f():
    try:
        f()
    finally:
        f()


f()
