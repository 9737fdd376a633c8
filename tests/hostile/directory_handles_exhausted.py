# expect: succeeded result='"bounded"' fuel=8e9 memory=128MiB
# Directory streams are held open by iterators that are never used up.
import errno
import os


def run():
    os.mkdir("/tmp/d")
    for number in range(5):
        open(f"/tmp/d/{number}", "w").close()
    held = []
    try:
        for _ in range(20_000):
            iterator = os.scandir("/tmp/d")
            next(iterator)
            held.append(iterator)
        # WASI's listing may be read whole at once and hold nothing: then there is nothing to exhaust.
    except OSError as error:
        assert error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT), error
    held.clear()
    assert sorted(os.listdir("/tmp/d")) == ["0", "1", "2", "3", "4"]
    return "bounded"
