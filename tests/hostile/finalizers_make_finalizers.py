# expect: crashed|out_of_fuel fuel=2e9 timeout=20s
# Each finalizer makes the next two objects to finalize, nested natively. Python's recursion limit turns the deepest
# ones into ignored errors; whether the wasm stack or the fuel ends first depends on the size of the frames.
class Hydra:
    def __del__(self):
        Hydra()
        self.again = [Hydra() for _ in range(2)]


Hydra()
