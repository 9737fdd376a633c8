# expect: succeeded result='"kept"' memory=64MiB
# An open file that was unlinked, replaced or whose directory is gone stays what it was.
import os


def run():
    os.mkdir("/tmp/d")
    with open("/tmp/d/f", "w+") as file:
        file.write("first")
        file.flush()
        os.unlink("/tmp/d/f")
        os.rmdir("/tmp/d")
        open("/tmp/d", "w").close()
        file.write(" second")
        file.seek(0)
        assert file.read() == "first second"
    return "kept"
