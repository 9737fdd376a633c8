# expect: succeeded result='"refused"' fuel=20e9 memory=128MiB timeout=20s
# The same with directories, side by side.
import errno
import os


def run():
    for number in range(1_000_000):
        try:
            os.mkdir(f"/tmp/{number}")
        except OSError as error:
            assert error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENFILE, errno.ENOMEM, errno.EMLINK), error
            return "refused"
    raise AssertionError("a million directories were made")
