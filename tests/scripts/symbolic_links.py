# expect: succeeded result='"linked"'
# Symbolic links in /tmp and /output, as everywhere else.
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path


def run():
    folder = Path("/tmp/links")
    folder.mkdir()
    (folder / "real.txt").write_text("text")
    (folder / "sub").mkdir()
    (folder / "sub" / "deep.txt").write_text("deep")

    os.symlink("real.txt", folder / "link.txt")
    (folder / "dir").symlink_to("sub", target_is_directory=True)
    (folder / "absolute").symlink_to(folder / "real.txt")
    (folder / "dangling").symlink_to("nothing")
    assert os.readlink(folder / "link.txt") == "real.txt"
    assert (folder / "absolute").readlink() == folder / "real.txt"
    assert (folder / "link.txt").read_text() == (folder / "absolute").read_text() == "text"
    assert (folder / "dir" / "deep.txt").read_text() == "deep"
    assert os.path.islink(folder / "link.txt") and not os.path.islink(folder / "real.txt")
    assert os.path.lexists(folder / "dangling") and not os.path.exists(folder / "dangling")
    assert os.path.realpath(folder / "dir" / "deep.txt") == str(folder / "sub" / "deep.txt")
    assert (folder / "dir").resolve() == folder / "sub" and os.path.samefile(folder / "link.txt", folder / "real.txt")
    assert stat.filemode(os.lstat(folder / "link.txt").st_mode) == "lrwxrwxrwx"
    assert os.lstat(folder / "link.txt").st_size == len("real.txt") and os.stat(folder / "link.txt").st_size == 4
    assert os.stat(folder / "link.txt").st_ino == os.stat(folder / "real.txt").st_ino
    assert os.lstat(folder / "link.txt").st_ino != os.stat(folder / "real.txt").st_ino

    found = {entry.name: (entry.is_symlink(), entry.is_dir(), entry.is_file()) for entry in os.scandir(folder)}
    assert found == {
        "real.txt": (False, False, True),
        "sub": (False, True, False),
        "link.txt": (True, False, True),
        "absolute": (True, False, True),
        "dir": (True, True, False),
        "dangling": (True, False, False),
    }, found
    assert [name for name, _, _ in os.walk(folder)] == [str(folder), str(folder / "sub")]
    assert len(list(folder.rglob("deep.txt"))) == 1

    (folder / "link.txt").write_text("through")
    assert (folder / "real.txt").read_text() == "through" and os.path.islink(folder / "link.txt")
    (folder / "dangling").write_text("made")
    assert (folder / "nothing").read_text() == "made"
    for wrong, kind in (
        (lambda: os.symlink("x", folder / "link.txt"), FileExistsError),
        (lambda: open(folder / "link.txt", "x"), FileExistsError),
        (lambda: os.readlink(folder / "real.txt"), OSError),
        (lambda: os.rmdir(folder / "dir"), NotADirectoryError),
        (lambda: os.open(folder / "link.txt", os.O_RDONLY | os.O_NOFOLLOW), OSError),
        (lambda: shutil.rmtree(folder / "dir"), OSError),
    ):
        try:
            wrong()
        except kind:
            pass
        else:
            raise AssertionError(kind)

    os.replace(folder / "link.txt", folder / "renamed")
    assert os.readlink(folder / "renamed") == "real.txt"
    # The way to change where a link leads in one step.
    os.symlink("sub/deep.txt", folder / "new")
    os.replace(folder / "new", folder / "renamed")
    assert (folder / "renamed").read_text() == "deep"
    os.remove(folder / "renamed")
    assert (folder / "sub" / "deep.txt").exists()

    shutil.copytree(folder, "/tmp/copy", symlinks=True)
    assert os.readlink("/tmp/copy/dir") == "sub"
    shutil.copytree(folder, "/tmp/contents")
    assert not os.path.islink("/tmp/contents/dir") and os.path.exists("/tmp/contents/dir/deep.txt")
    assert os.path.islink(shutil.copy(folder / "absolute", "/tmp/one", follow_symlinks=False))

    with tarfile.open("/tmp/a.tar", "w") as archive:
        archive.add(folder, "top")
    with tarfile.open("/tmp/a.tar") as archive:
        assert archive.getmember("top/dir").issym() and archive.getmember("top/dir").linkname == "sub"
        archive.extractall("/tmp/out", members=[m for m in archive if m.name != "top/absolute"], filter="data")
    assert os.readlink("/tmp/out/top/dir") == "sub"
    assert Path("/tmp/out/top/dir/deep.txt").read_text() == "deep"
    with zipfile.ZipFile("/tmp/a.zip", "w") as archive:
        archive.write(folder / "dangling", "dangling")
    shutil.rmtree(folder)
    assert not folder.exists()
    return "linked"
