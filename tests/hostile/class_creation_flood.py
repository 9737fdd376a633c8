# expect: out_of_memory memory=48MiB fuel=20e9 timeout=30s
# Classes are large, touch the type caches and are freed late. Half-made ones must not break the interpreter.
keep = []
while True:
    keep.append(type("C", (), {"attribute": None}))
