# /// script
# dependencies = ["zodbpickle"]
# ///
from zodbpickle import binary, pickle

value = {"a": [1, binary(b"x")]}
assert pickle.loads(pickle.dumps(value, 3)) == value
