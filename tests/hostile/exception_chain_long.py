# expect: failed error=ValueError message='last' fuel=20e9 memory=128MiB timeout=20s
# 2,000 exceptions, each the cause of the next: the traceback is bounded and walked without recursion.
error = None
for number in range(2_000):
    new = ValueError(number)
    new.__cause__ = error
    error = new
last = ValueError("last")
last.__cause__ = error
raise last
