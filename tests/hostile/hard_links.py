# expect: succeeded result='"refused"' memory=64MiB
# A hard link would let a read-only file be written through another name (CVE-2026-47261, CVE-2026-58494).
import os


def run():
    open("/tmp/own", "w").close()
    for source, target in ((__file__, "/tmp/l"), ("/tmp/own", "/tmp/l"), (__file__, "/app/l"), ("/tmp", "/tmp/l")):
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            raise AssertionError(f"link({source!r}, {target!r}) was made")
    assert os.listdir("/tmp") == ["own"], os.listdir("/tmp")
    return "refused"
