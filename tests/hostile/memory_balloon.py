# expect: out_of_memory memory=64MiB fuel=20e9
# Memory by small steps until the limiter refuses.
balloon = []
while True:
    balloon.append(bytearray(1 << 20))
