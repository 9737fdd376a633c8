# expect: succeeded result='{"refused": 8}' memory=64MiB
# Buffers resized, released, cast and read past their end while a view is held.
import array
import struct


def run():
    data = bytearray(16)
    view = memoryview(data)
    released = memoryview(bytearray(4))
    released.release()
    attempts = [
        lambda: data.extend(b"x"),
        lambda: data.clear(),
        lambda: released[0],
        lambda: view.cast("Q", shape=[2**30]),
        lambda: view[2**31],
        lambda: struct.pack_into("Q", data, 2**31 - 1, 1),
        lambda: struct.unpack_from("Q", data, -(2**30)),
        lambda: memoryview(b"read-only").__setitem__(0, 1),
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except (BufferError, ValueError, IndexError, TypeError, struct.error, OverflowError):
            refused += 1
    return {"refused": refused}
