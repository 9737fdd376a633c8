# expect: succeeded result='[]'
# What WASI cannot have says so in a sentence, with what to do instead.
import importlib

NAMES = ["ctypes", "mmap", "fcntl", "termios", "resource", "pwd", "grp", "syslog", "readline", "curses", "tkinter", "bz2", "lzma"]


def run():
    poor = []
    for name in NAMES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            text = str(error)
            if len(text) < 40 or name not in text or text == f"No module named '{name}'":
                poor.append([name, text])
    return poor
