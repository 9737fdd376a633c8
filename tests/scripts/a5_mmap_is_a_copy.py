# expect: succeeded result='["b", true, 11, "line", "XXllo world", true]'
# Case A5: a map of a file works: it is a copy in memory, which flush writes back.
import mmap
import re


def run():
    with open("/tmp/f", "wb") as file:
        file.write(b"hello world")
    with open("/tmp/f", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as read:
        found = re.search(b"w.r", read) is not None
        size = len(read)
        try:
            read[0] = 1
            refused = False
        except TypeError:
            refused = True
    with open("/tmp/f", "r+b") as file, mmap.mmap(file.fileno(), 0) as written:
        written[:2] = b"XX"
    anonymous = mmap.mmap(-1, 20)
    anonymous.write(b"line\nb")
    anonymous.seek(0)
    line = anonymous.readline().decode().strip()
    with open("/tmp/f") as file:
        return [anonymous.read(1).decode(), found, size, line, file.read(), refused]
