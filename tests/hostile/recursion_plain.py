# expect: failed error=RecursionError message='maximum recursion depth exceeded' memory=64MiB
# Python's own limit ends it.
def f():
    return f()


f()
