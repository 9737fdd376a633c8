# expect: succeeded result='true' fuel=20e9 memory=256MiB timeout=20s
# Paths under /output that are longer than one call may bring, and names that mean something elsewhere.
import os


def run():
    os.chdir("/output")
    try:
        while True:
            os.mkdir("n" * 255)
            os.chdir("n" * 255)
    except OSError:
        pass
    for name in ("deep", "a\\b", "..x", "new\nline", "%2e%2e", "ä", "\x7f"):
        try:
            with open(name, "w") as file:
                file.write(name)
            with open(f"/output/{name}", "w") as file:
                file.write(name)
        except OSError:
            pass
    try:
        open("a\0b", "w")
    except ValueError:
        pass
    return True
