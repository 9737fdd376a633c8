# expect: out_of_fuel fuel=3e9 timeout=20s
# The same with bytes in it: what is written, cleared and given back is paid for by the byte.
import os

block = b"x" * (1 << 20)
fd = os.open("/tmp/x", os.O_RDWR | os.O_CREAT)
while True:
    for _ in range(40):
        os.write(fd, block)
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, 0)
    os.pwrite(fd, b"x", 63 << 20)
    os.pread(fd, 60 << 20, 0)
