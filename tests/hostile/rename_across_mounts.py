# expect: succeeded result='"refused"' memory=64MiB
# Nothing moves between /app and /tmp, and nothing moves into itself.
import os


def run():
    with open(__file__, "rb") as file:
        source = file.read()
    open("/tmp/own", "w").close()
    os.makedirs("/tmp/d/e")
    attempts = [
        (__file__, "/tmp/moved"), ("/tmp/own", __file__), ("/tmp/own", "/app/new"), (__file__, "/app/new"), ("/app", "/tmp/app"),
        ("/tmp/d", "/tmp/d/e/f"), ("/tmp/d", "/tmp/d/e"), ("/tmp/own", "/tmp/own/"), ("/tmp/own", "/tmp/d/e/"),
        ("/tmp/own/", "/tmp/x"), ("/tmp/d", "/tmp/own"), ("/tmp/own", "/tmp/d"), ("/tmp/d/..", "/tmp/x"), ("/tmp/.", "/tmp/x"),
    ]  # fmt: skip
    for old, new in attempts:
        for move in (os.rename, os.replace):
            try:
                move(old, new)
            except OSError:
                pass
            else:
                raise AssertionError(f"{move.__name__}({old!r}, {new!r}) worked")
    with open(__file__, "rb") as file:
        assert file.read() == source
    assert sorted(os.listdir("/tmp")) == ["d", "own"]
    return "refused"
