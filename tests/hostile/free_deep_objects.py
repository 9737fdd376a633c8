# expect: crashed|succeeded memory=128MiB fuel=10e9 timeout=20s
# The same with instances, tuples and dicts.
# Which guard is met first, CPython's own or the end of the wasm stack, depends on how the optimiser laid out frames.
class Node:
    pass


deep = None
for number in range(100_000):
    node = Node()
    node.next = (deep, {"next": deep})
    deep = node
del deep, node
