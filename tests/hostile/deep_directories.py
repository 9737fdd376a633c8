# expect: succeeded result='"refused"' fuel=20e9 memory=128MiB timeout=20s
# Directories nested without end, by relative steps so that no path is long.
import errno
import os

allowed = (errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT, errno.ELOOP, errno.EINVAL, errno.EMLINK)


def run():
    os.chdir("/tmp")
    for _ in range(10_000):
        try:
            os.mkdir("d")
            os.chdir("d")
        except OSError as error:
            assert error.errno in allowed, error
            return "refused"
    raise AssertionError("10,000 levels were made")
