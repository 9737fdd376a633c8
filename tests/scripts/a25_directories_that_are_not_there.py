# expect: succeeded result='["IsADirectoryError", "FileNotFoundError", "NotADirectoryError", "IsADirectoryError"]'
# Case A25: a path that ends in a slash names a directory.
import shutil


def kind(call):
    try:
        call()
    except OSError as error:
        return type(error).__name__


def run():
    with open("/tmp/a", "w") as file:
        file.write("x")
    return [
        kind(lambda: open("/tmp/nodir/", "w")),
        kind(lambda: shutil.copyfile("/tmp/a", "/tmp/nodir/")),
        kind(lambda: open("/tmp/a/")),
        kind(lambda: open("/tmp", "w")),
    ]
