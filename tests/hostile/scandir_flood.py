# expect: out_of_fuel fuel=8e9 timeout=20s memory=64MiB
# A directory of many long names is opened for reading again and again, and changed in between.
import os

os.mkdir("/tmp/d")
for number in range(4_000):
    os.close(os.open(f"/tmp/d/{'n' * 240}{number:06}", os.O_CREAT | os.O_WRONLY))
while True:
    iterators = None
    iterators = [os.scandir("/tmp/d") for _ in range(200)]
    for iterator in iterators:
        next(iterator)
    os.close(os.open("/tmp/d/new", os.O_CREAT | os.O_WRONLY))
    os.unlink("/tmp/d/new")
