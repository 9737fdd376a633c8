# expect: succeeded result='"refused"' fuel=20e9 memory=64MiB timeout=20s
# With little memory the bytes of /tmp must not be free of charge: fewer than the memory limit fit.
# WASI's output streams carry no error code, so that CPython may show the refusal as EIO.
import errno


def run():
    written = 0
    block = bytes(1 << 18)
    try:
        with open("/tmp/big", "wb", buffering=0) as file:
            while True:
                count = file.write(block)
                assert count > 0, "a write of nothing"
                written += count
    except OSError as error:
        assert error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EIO), error
    assert written < 64 << 20, f"{written} bytes were taken"
    return "refused"
