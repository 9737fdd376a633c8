# expect: succeeded result='"ok"'
# Case A29: an empty path leads nowhere, as everywhere; it is not the working directory.
import os
import pathlib


def run():
    looks = {
        "stat": os.stat,
        "lstat": os.lstat,
        "open": open,
        "listdir": os.listdir,
        "scandir": os.scandir,
        "mkdir": os.mkdir,
        "rmdir": os.rmdir,
        "remove": os.remove,
        "readlink": os.readlink,
        "rename": lambda path: os.rename(path, "other"),
    }
    said = {}
    for name, look in looks.items():
        try:
            look("")
        except OSError as error:
            said[name] = type(error).__name__
        else:
            said[name] = "nothing"
    assert said == dict.fromkeys(looks, "FileNotFoundError"), said
    assert not os.path.exists("") and not os.path.isdir("") and not os.access("", os.F_OK)
    # This is another thing: a path without names is the working directory.
    assert pathlib.Path("").exists() and os.path.isdir(".") and os.stat("./").st_mode
    return "ok"
