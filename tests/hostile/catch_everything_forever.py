# expect: out_of_fuel fuel=2e9 timeout=20s
# The end of the fuel is a trap, not an exception: no handler of the script sees it.
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
    finally:
        continue
