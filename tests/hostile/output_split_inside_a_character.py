# expect: succeeded result='3000' stdout='€'
# Bytes of one character in separate writes must not break the stream.
import os


def run():
    for _ in range(1000):
        for byte in "€".encode():
            os.write(1, bytes([byte]))
    return 3 * 1000
