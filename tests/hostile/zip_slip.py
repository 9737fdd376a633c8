# expect: succeeded result='"contained"' memory=64MiB
# Names in a zip that leave the target folder, and absolute ones.
import io
import os
import zipfile


def run():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("../../app/evil.py", "/app/evil.py", "/etc/evil", "a/../../../evil", "..\\evil", "C:/evil"):
            archive.writestr(name, "evil")
    with zipfile.ZipFile(buffer) as archive:
        for name in archive.namelist():
            try:
                archive.extract(name, "/tmp/out")
            except OSError:
                pass
    assert os.listdir("/app") == [os.path.basename(__file__)], os.listdir("/app")
    assert os.listdir("/tmp") == ["out"], os.listdir("/tmp")
    return "contained"
