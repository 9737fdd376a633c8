# expect: succeeded result='"refused"' fuel=8e9 memory=128MiB
# Open files are bounded, and closing gives them back.
# WASI has no code for too many open files: one of the codes for exhaustion stands for it.
import errno
import os

allowed = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)


def run():
    for _ in range(2):
        opened = []
        try:
            for _ in range(100_000):
                opened.append(os.open("/tmp/file", os.O_CREAT | os.O_RDWR))
            raise AssertionError("100,000 files were open at once")
        except OSError as error:
            assert error.errno in allowed, error
            assert len(opened) >= 64, f"only {len(opened)} files could be opened"
        for fd in opened:
            os.close(fd)
    return "refused"
