# expect: succeeded result='"unchanged"' memory=64MiB
# Each way to open, cut, change or remove what stands in /app (CVE-2026-47261).
import os


def run():
    with open(__file__, "rb") as file:
        source = file.read()
    here = os.path.basename(__file__)
    attempts = [lambda path=path, mode=mode: open(path, mode) for path in (__file__, here, f"./{here}", f"/tmp/../app/{here}") for mode in ("w", "a", "r+", "wb", "r+b", "x")]
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_RDONLY | os.O_CREAT | os.O_TRUNC):
        attempts.append(lambda flags=flags: os.open(__file__, flags))
    attempts += [
        lambda: os.truncate(__file__, 0), lambda: os.unlink(__file__), lambda: os.rmdir("/app"), lambda: os.mkdir("/app/d"),
        lambda: open("/app/new", "w"), lambda: os.utime(__file__, (0, 0)), lambda: os.open("/app/new", os.O_CREAT),
    ]  # fmt: skip
    for number, attempt in enumerate(attempts):
        try:
            attempt()
        except OSError:
            continue
        raise AssertionError(f"attempt {number} was let through")
    fd = os.open(__file__, os.O_RDONLY)
    for change in (lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 0), lambda: os.pwrite(fd, b"x", 0), lambda: os.utime(fd, (0, 0))):
        try:
            change()
        except OSError:
            continue
        raise AssertionError("a read-only descriptor was written to")
    with open(__file__, "rb") as file:
        assert file.read() == source
    return "unchanged"
