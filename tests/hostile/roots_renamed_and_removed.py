# expect: succeeded result='"alive"' memory=64MiB
# The roots cannot be removed, renamed or replaced, and the file system goes on working.
import os


def run():
    os.mkdir("/tmp/d")
    for path in ("/", "/tmp", "/tmp/", "/app", "/app/", "/tmp/.", "/tmp/..", ".", ".."):
        for attempt in (os.rmdir, os.unlink, lambda p: os.rename(p, "/tmp/x"), lambda p: os.rename("/tmp/d", p)):
            try:
                attempt(path)
            except OSError:
                continue
            raise AssertionError(f"{path} was changed")
    with open("/tmp/d/f", "w") as file:
        file.write("still here")
    assert os.listdir("/tmp/d") == ["f"]
    return "alive"
