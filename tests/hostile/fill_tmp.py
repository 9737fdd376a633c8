# expect: succeeded result='"refused"' fuel=20e9 memory=256MiB timeout=20s
# /tmp has a quota in bytes, and its bytes count against the run's memory.
# WASI's output streams carry no error code, so that CPython may show the refusal as EIO.
import errno


def run():
    written = 0
    block = bytes(1 << 20)
    try:
        with open("/tmp/big", "wb", buffering=0) as file:
            while written < 300 << 20:
                count = file.write(block)
                assert count > 0, "a write of nothing"
                written += count
    except OSError as error:
        assert error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EIO), error
    assert written <= 64 << 20, f"{written} bytes were taken"
    return "refused"
