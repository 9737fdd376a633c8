# expect: succeeded result='"contained"' memory=64MiB
# A tar with paths upwards, links out of the tree, devices and a fifo, unpacked without Python's own filter.
import io
import os
import tarfile


def run():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, target in (
            ("../evil", tarfile.REGTYPE, ""),
            ("/app/evil", tarfile.REGTYPE, ""),
            ("link", tarfile.SYMTYPE, "/etc"),
            ("link/evil", tarfile.REGTYPE, ""),
            ("hard", tarfile.LNKTYPE, "../../app/tar_with_links_and_devices.py"),
            ("device", tarfile.BLKTYPE, ""),
            ("fifo", tarfile.FIFOTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    buffer.seek(0)
    os.mkdir("/tmp/out")
    with tarfile.open(fileobj=buffer) as archive:
        for member in archive.getmembers():
            try:
                archive.extract(member, "/tmp/out", filter="fully_trusted")
            except (OSError, KeyError, tarfile.TarError, AttributeError):
                pass
    assert os.listdir("/app") == [os.path.basename(__file__)], os.listdir("/app")
    # The link is there, and leads to nothing.
    assert os.readlink("/tmp/out/link") == "/etc" and not os.path.exists("/tmp/out/link")
    assert not os.path.exists("/etc") and not os.path.lexists("/tmp/out/link/evil")
    return "contained"
