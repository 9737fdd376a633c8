# expect: succeeded result='{"base64": "AAEC/w==", "record": [7, "tick", 1.5], "hex": "000102ff", "big": 258}'
# base64, struct, binascii, array, memoryview, int from bytes.
import array
import base64
import binascii
import struct


def run():
    data = bytes([0, 1, 2, 255])
    assert base64.b32encode(data) == b"AAAQF7Y=" and base64.b85decode(base64.b85encode(data)) == data
    packed = struct.pack("<H4sd", 7, b"tick", 1.5)
    assert len(packed) == 14
    number, name, value = struct.unpack("<H4sd", packed)
    numbers = array.array("i", range(5))
    memoryview(numbers)[2:4] = array.array("i", [20, 30])
    assert numbers.tolist() == [0, 1, 20, 30, 4]
    return {
        "base64": base64.b64encode(data).decode(),
        "record": [number, name.decode(), value],
        "hex": binascii.hexlify(data).decode(),
        "big": int.from_bytes(data[1:3], "big"),
    }
