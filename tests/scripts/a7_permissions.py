# expect: succeeded result='[]'
# Case A7: files have the permissions that umask 022 leaves, chmod is kept, archives carry them.
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path


def run():
    os.makedirs("/tmp/r/sub")
    Path("/tmp/r/a.txt").write_text("x")
    Path("/tmp/r/sub/b.sh").write_text("y")
    shown = {
        "file": (stat.filemode(os.stat("/tmp/r/a.txt").st_mode), "-rw-r--r--"),
        "directory": (stat.filemode(os.stat("/tmp/r/sub").st_mode), "drwxr-xr-x"),
        "source": (stat.filemode(os.stat(__file__).st_mode), "-rw-r--r--"),
    }
    os.chmod("/tmp/r/sub/b.sh", 0o755)
    os.rename("/tmp/r/sub/b.sh", "/tmp/r/sub/c.sh")
    shown["chmod"] = (oct(Path("/tmp/r/sub/c.sh").stat().st_mode), "0o100755")
    Path("/tmp/r/a.txt").chmod(0o600)
    shown["scandir"] = ({e.name: oct(e.stat().st_mode & 0o777) for e in os.scandir("/tmp/r")}, {"a.txt": "0o600", "sub": "0o755"})
    shutil.copy("/tmp/r/sub/c.sh", "/tmp/copied")
    shown["copied"] = (oct(os.stat("/tmp/copied").st_mode & 0o777), "0o755")
    os.close(os.open("/tmp/secret", os.O_CREAT | os.O_WRONLY, 0o600))
    shown["open"] = (oct(os.stat("/tmp/secret").st_mode & 0o777), "0o600")
    shown["owner"] = ((Path("/tmp/r/a.txt").owner(), Path("/tmp/r/a.txt").group()), ("cronbox", "cronbox"))
    shown["umask"] = ([os.umask(0o077), os.umask(0o022)], [0o022, 0o077])
    with tarfile.open("/output/b.tar.gz", "w:gz") as tar:
        tar.add("/tmp/r", arcname="r")
    with tarfile.open("/output/b.tar.gz") as tar:
        shown["tar"] = ({m.name: oct(m.mode) for m in tar}, {"r": "0o755", "r/a.txt": "0o600", "r/sub": "0o755", "r/sub/c.sh": "0o755"})
        tar.extractall("/tmp/out", filter="tar")
    shown["extracted"] = (oct(os.stat("/tmp/out/r/sub/c.sh").st_mode & 0o777), "0o755")
    shutil.make_archive("/output/z", "zip", "/tmp/r")
    with zipfile.ZipFile("/output/z.zip") as archive:
        modes = {i.filename: oct(i.external_attr >> 16 & 0o777) for i in archive.infolist() if not i.is_dir()}
    shown["zip"] = (modes, {"a.txt": "0o600", "sub/c.sh": "0o755"})
    try:
        os.chmod(__file__, 0o777)
        shown["/app"] = ("changed", "refused")
    except OSError:
        pass
    try:
        os.chown("/tmp/r/a.txt", "root", -1)
        shown["chown"] = ("done", "refused")
    except TypeError:
        pass
    return [[name, found] for name, (found, wanted) in shown.items() if found != wanted]
