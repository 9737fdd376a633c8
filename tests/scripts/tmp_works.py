# expect: succeeded result='"a,b\n1,2\n"'
# /tmp is read-write: files, folders, appending, seeking, renaming, removing.
import os
import pathlib
import shutil


def run():
    folder = pathlib.Path("/tmp/reports/2026")
    folder.mkdir(parents=True)
    path = folder / "a.csv"
    path.write_text("a,b\n")
    with path.open("a") as file:
        file.write("1,2\n")
    shutil.copy(path, folder / "b.csv")
    (folder / "b.csv").rename(folder / "c.csv")
    assert sorted(os.listdir(folder)) == ["a.csv", "c.csv"]
    with open(folder / "c.csv", "r+b") as file:
        file.seek(0, os.SEEK_END)
        assert file.tell() == 8
        file.truncate(4)
    assert (folder / "c.csv").read_text() == "a,b\n"
    text = path.read_text()
    shutil.rmtree("/tmp/reports")
    assert os.listdir("/tmp") == []
    return text
