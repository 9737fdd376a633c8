# expect: succeeded result='"stopped"' memory=64MiB fuel=20e9 timeout=20s
# Zip files within zip files, 128 MB in all, unpacked into /tmp: memory or the quota of /tmp ends it, as an exception.
import io
import zipfile


def run():
    data = bytes(2 << 20)
    for _ in range(2):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(8):
                archive.writestr(str(number), data)
        data = buffer.getvalue()

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as outer:
            for name in outer.namelist():
                with zipfile.ZipFile(io.BytesIO(outer.read(name))) as inner:
                    inner.extractall(f"/tmp/{name}")
    except (MemoryError, OSError):
        return "stopped"
    raise AssertionError("128 MB were unpacked")
