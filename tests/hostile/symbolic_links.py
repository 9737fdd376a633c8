# expect: succeeded result='"refused"' memory=64MiB
# There are no links: none can be made, with or without a trailing slash (GHSA-vqjp-4c8c-hfgg), in chains or to itself.
import os


def run():
    os.mkdir("/tmp/d")
    for target in ("/etc", "../etc", "/", "/app", ".", "l", "/tmp/l2", "../../../../etc/passwd", ""):
        for name in ("/tmp/l", "/tmp/l/", "/tmp/d/l", "/tmp/d/", "l"):
            try:
                os.symlink(target, name)
            except OSError:
                pass
            else:
                raise AssertionError(f"symlink({target!r}, {name!r}) was made")
    for path in ("/tmp/l/passwd", "/tmp/l/", "/tmp/l", "/tmp/d/l/passwd"):
        assert not os.path.lexists(path), path
    return "refused"
