# expect: succeeded result='[true, true]'
# Case A24: a write that finds no room has the number that programs look for.
import errno
import os


def run():
    numbers = []
    try:
        with open("/tmp/big", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
    except OSError as error:
        numbers.append(error.errno == errno.ENOSPC)
    os.unlink("/tmp/big")
    descriptor = os.open("/tmp/big", os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(descriptor, bytes(1 << 20))
    except OSError as error:
        numbers.append(error.errno == errno.ENOSPC)
    return numbers
