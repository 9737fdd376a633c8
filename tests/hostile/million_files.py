# expect: succeeded result='"refused"' fuel=20e9 memory=128MiB timeout=20s
# Empty files have no bytes; their number is bounded.
import errno
import os


def run():
    for number in range(1_000_000):
        try:
            os.close(os.open(f"/tmp/{number}", os.O_CREAT | os.O_WRONLY))
        except OSError as error:
            assert error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENFILE, errno.ENOMEM), error
            return "refused"
    raise AssertionError("a million files were made")
