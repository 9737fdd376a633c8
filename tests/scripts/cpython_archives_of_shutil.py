# expect: succeeded result='["bztar", "gztar", "tar", "xztar", "zip"]'
# shutil packs and unpacks with every compression that the interpreter has, and tells the room for files.
import os
import shutil
from pathlib import Path


def run():
    Path("/tmp/from").mkdir()
    Path("/tmp/from/prices.txt").write_text("7\n")
    names = [name for name, _ in shutil.get_archive_formats()]
    for name in names:
        archive = shutil.make_archive(f"/tmp/packed-{name}", name, "/tmp/from")
        shutil.unpack_archive(archive, f"/tmp/to-{name}")
        assert Path(f"/tmp/to-{name}/prices.txt").read_text() == "7\n", name
    usage = shutil.disk_usage("/tmp")
    assert usage.total == usage.used + usage.free and usage.used > 0, usage
    assert "disk_usage" in shutil.__all__ and isinstance(os.statvfs("/tmp").f_fsid, int)
    return sorted(names)
