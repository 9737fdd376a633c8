# expect: out_of_memory|failed fuel=20e9 memory=128MiB timeout=20s
# The same list many times over: small in memory, 500 MB as JSON. A harness that counts while it converts refuses it
# (failed); one that converts first runs out of memory.
def run():
    part = ["x" * 1000] * 1000
    return [part] * 500
