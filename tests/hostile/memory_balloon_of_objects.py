# expect: out_of_memory memory=48MiB fuel=20e9 timeout=30s
# The same with ever more small objects.
root = []
while True:
    root = [root, {}, object()]
