# expect: failed error=RecursionError memory=64MiB
# __getattr__ that asks for what it has not got.
class Chain:
    def __getattr__(self, name):
        return getattr(self, name + "x")


Chain().start
