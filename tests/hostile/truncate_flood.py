# expect: out_of_fuel fuel=2e9 timeout=20s
# A file is made large and empty in turn. One call of the host for each, whatever the size: it is paid for, and quick.
import os

fd = os.open("/tmp/x", os.O_RDWR | os.O_CREAT)
while True:
    os.ftruncate(fd, 63 << 20)
    os.ftruncate(fd, 0)
