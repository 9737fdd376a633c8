# expect: crashed memory=128MiB fuel=10e9 timeout=20s
# A million method wrappers, each calling the next in C.
def f():
    pass


for _ in range(1_000_000):
    f = f.__call__
f()
