# expect: succeeded result='{"zip": ["a.txt", "d/b.txt"], "tar": ["a.txt", "d", "d/b.txt"], "gzip": true, "zlib": true}'
# zip, tar, gzip and zlib, there and back, through files in /tmp.
import gzip
import os
import pathlib
import tarfile
import zipfile
import zlib


def run():
    os.makedirs("/tmp/in/d")
    pathlib.Path("/tmp/in/a.txt").write_text("first\n" * 500)
    pathlib.Path("/tmp/in/d/b.txt").write_text("second")
    with zipfile.ZipFile("/tmp/a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "d/b.txt"):
            archive.write(f"/tmp/in/{name}", name)
    assert os.path.getsize("/tmp/a.zip") < 500 and zipfile.is_zipfile("/tmp/a.zip")
    with zipfile.ZipFile("/tmp/a.zip") as archive:
        assert archive.testzip() is None
        archive.extractall("/tmp/zip")
        zipped = archive.namelist()
    with tarfile.open("/tmp/a.tar.gz", "w:gz") as archive:
        archive.add("/tmp/in/a.txt", "a.txt")
        archive.add("/tmp/in/d", "d")
    with tarfile.open("/tmp/a.tar.gz") as archive:
        archive.extractall("/tmp/tar", filter="data")
        tarred = sorted(archive.getnames())
    source = pathlib.Path("/tmp/in/a.txt").read_bytes()
    assert pathlib.Path("/tmp/zip/a.txt").read_bytes() == pathlib.Path("/tmp/tar/a.txt").read_bytes() == source
    with gzip.open("/tmp/a.gz", "wt") as file:
        file.write("café")
    with gzip.open("/tmp/a.gz", "rt") as file:
        text = file.read()
    return {"zip": zipped, "tar": tarred, "gzip": text == "café", "zlib": zlib.decompress(zlib.compress(source)) == source}
