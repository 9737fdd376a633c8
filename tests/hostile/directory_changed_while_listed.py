# expect: succeeded result='"alive"' fuel=8e9 memory=128MiB
# A directory is emptied, filled, removed and replaced by a file while it is being read.
import os


def run():
    for round in range(20):
        os.mkdir("/tmp/d")
        for number in range(100):
            open(f"/tmp/d/{number}", "w").close()
        with os.scandir("/tmp/d") as entries:
            seen = 0
            for entry in entries:
                seen += 1
                for action in (lambda: os.unlink(entry.path), lambda: entry.stat(), lambda: open(f"/tmp/d/new{seen}", "w").close()):
                    try:
                        action()
                    except OSError:
                        pass
                if seen > 300:
                    break
        for name in os.listdir("/tmp/d"):
            os.unlink(f"/tmp/d/{name}")
        entries = os.scandir("/tmp/d")
        os.rmdir("/tmp/d")
        try:
            list(entries)
        except OSError:
            pass
        open("/tmp/d", "w").close()
        os.unlink("/tmp/d")
    return "alive"
