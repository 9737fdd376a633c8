# expect: succeeded result='["b", true, 11, "line", "XXllo world", true, "left alone"]'
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
    # The file is closed before the map, and its descriptor belongs to another file then.
    with open("/tmp/g", "w+b") as file:
        file.write(b"0123456789")
        file.flush()
        later = mmap.mmap(file.fileno(), 0)
    with open("/tmp/other", "w") as other:
        other.write("left alone")
        other.flush()
        later[:2] = b"ab"
        later.close()
    with open("/tmp/g") as file:
        assert file.read() == "ab23456789"
    anonymous = mmap.mmap(-1, 20)
    anonymous.write(b"line\nb")
    anonymous.seek(0)
    line = anonymous.readline().decode().strip()
    with open("/tmp/f") as file:
        written = file.read()
    with open("/tmp/other") as other:
        return [anonymous.read(1).decode(), found, size, line, written, refused, other.read()]
