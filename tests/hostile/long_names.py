# expect: succeeded result='{"refused": 6}' fuel=8e9 memory=128MiB
# Names and paths beyond all bounds.
import errno
import os

allowed = (errno.ENAMETOOLONG, errno.ENOENT, errno.EINVAL, errno.ELOOP)


def run():
    refused = 0
    for path in ("n" * 256, "n" * 10_000, "n" * 1_000_000, "é" * 200, "/tmp/" + "a/" * 100_000, "../" * 100_000 + "x"):
        path = path if path.startswith(("/", "..")) else "/tmp/" + path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        except OSError as error:
            assert error.errno in allowed + (errno.EPERM, errno.EACCES), (path[:20], error)
            refused += 1
    return {"refused": refused}
