# expect: succeeded result='5000' fuel=8e9 memory=128MiB
# A long listing is complete, in bounded memory, as often as it is asked for.
import os


def run():
    for number in range(5000):
        os.close(os.open(f"/tmp/{number:05}", os.O_CREAT | os.O_WRONLY))
    for _ in range(3):
        names = os.listdir("/tmp")
        assert len(set(names)) == len(names) == 5000
    return len(names)
