# expect: succeeded result='["refused", "refused", "moved by copying"]' fuel=20e9 memory=256MiB timeout=20s
# /output has a quota of its own in bytes and in files, smaller than that of /tmp, and is another file system.
import os
import shutil


def run():
    said = []
    try:
        with open("/output/big", "wb", buffering=0) as file:
            written = 0
            while written < 20 << 20:
                written += file.write(bytes(1 << 20))
    except OSError:
        said.append("refused")
    os.remove("/output/big")
    try:
        for number in range(1000):
            open(f"/output/{number}", "w").close()
    except OSError:
        said.append("refused")
    for name in os.listdir("/output"):
        os.remove(f"/output/{name}")
    with open("/tmp/x", "w") as file:
        file.write("x")
    try:
        os.rename("/tmp/x", "/output/x")
    except OSError:
        shutil.move("/tmp/x", "/output/x")
        said.append("moved by copying")
    return said
