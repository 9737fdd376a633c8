# expect: succeeded result='"inside"' memory=64MiB
# Links lead to what is in the run's own tree and nowhere else: upwards, absolute, in chains and circles, with a slash at
# the end (GHSA-vqjp-4c8c-hfgg), through /app and /dev, with paths as long as they can be.
import errno
import os


def refused(number, function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno in (number, errno.ENOENT), (args, error)
    else:
        raise AssertionError(f"{args} went through")


def run():
    for count, target in enumerate(("/etc", "../etc", "../../../../etc", "/proc/self", "/app/../etc", "//etc", "./../etc")):
        name = f"/tmp/out{count}"
        os.symlink(target, name)
        for path in (name, name + "/", name + "/passwd", name + "/../etc/passwd", name + "/root/etc/passwd"):
            refused(errno.ENOENT, os.stat, path)
            refused(errno.ENOENT, open, path)
    os.symlink("../../../..", "/tmp/root")
    assert sorted(os.listdir("/tmp/root/")) == sorted(os.listdir("/"))
    refused(errno.EROFS, open, "/tmp/root/new", "w")
    os.symlink("/app", "/tmp/app")
    refused(errno.EROFS, open, "/tmp/app/new", "w")
    refused(errno.EROFS, os.mkdir, "/tmp/app/new")
    refused(errno.EROFS, os.symlink, "x", "/tmp/app/new")
    refused(errno.EROFS, os.symlink, "x", "/app/new")
    refused(errno.EROFS, os.symlink, "x", "/dev/new")

    os.symlink("b", "/tmp/a")
    os.symlink("a", "/tmp/b")
    os.symlink("self/self/self", "/tmp/self")
    for path in ("/tmp/a", "/tmp/b/", "/tmp/self", "/tmp/self/self"):
        refused(errno.ELOOP, os.stat, path)
        refused(errno.ELOOP, open, path, "w")
    # Each of these names the one before twice.
    os.mkdir("/tmp/d0")
    for n in range(1, 60):
        os.symlink(f"d{n - 1}/../d{n - 1}", f"/tmp/d{n}")
    refused(errno.ELOOP, os.stat, "/tmp/d59")
    for target in ("", "x" * 100_000, "a\0b"):
        try:
            os.symlink(target, "/tmp/strange")
        except (OSError, ValueError):
            pass
        else:
            raise AssertionError(target)

    # As many as can be made, each as long as it can be: the run's memory pays for them.
    made = 0
    try:
        for made in range(100_000):
            os.symlink("/" + "y/" * 2000, f"/tmp/many{made}")
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    assert 1000 < made < 17_000, made
    return "inside"
