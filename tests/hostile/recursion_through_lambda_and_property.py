# expect: failed error=RecursionError memory=64MiB
# Recursion through the C code of attribute look-up.
class Node:
    @property
    def next(self):
        return self.next


Node().next
