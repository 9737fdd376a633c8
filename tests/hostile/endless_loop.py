# expect: out_of_fuel fuel=2e9 timeout=20s
# The plainest denial of service: only fuel ends it.
while True:
    pass
