# expect: out_of_fuel memory=64MiB fuel=3e9 timeout=20s
# MemoryError may be caught as often as the script likes; each refusal must cost it something.
keep = []
while True:
    try:
        while True:
            keep.append(bytearray(1 << 20))
    except MemoryError:
        keep.clear()
