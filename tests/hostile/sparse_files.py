# expect: succeeded result='{"refused": 5}' fuel=8e9 memory=128MiB
# A position or a length far away must not become an allocation of the host.
# WASI's output streams carry no error code, so that CPython may show the refusal as EIO.
import errno
import os

allowed = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT, errno.EINVAL, errno.EOVERFLOW, errno.ENOMEM, errno.EIO)


def attempt(action):
    with open("/tmp/sparse", "w+b", buffering=0) as file:
        try:
            action(file)
        except OverflowError:
            return 1
        except OSError as error:
            assert error.errno in allowed, error
            return 1
        return 0


def run():
    return {
        "refused": sum(
            attempt(action)
            for action in (
                lambda file: (file.seek(2**40), file.write(b"x")),
                lambda file: (file.seek(2**63 - 1), file.write(b"x")),
                lambda file: file.truncate(2**62),
                lambda file: file.truncate(2**31),
                lambda file: os.pwrite(file.fileno(), b"x", 2**62),
            )
        )
    }
