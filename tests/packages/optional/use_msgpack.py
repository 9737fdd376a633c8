# /// script
# dependencies = ["msgpack"]
# ///
import msgpack

value = {"a": [1, -2, 2.5, None, True, "é", b"x" * 300], "n": 2**40}
assert msgpack.unpackb(msgpack.packb(value)) == value
