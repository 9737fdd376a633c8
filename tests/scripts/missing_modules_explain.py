# expect: succeeded result='[]'
# What WASI cannot have says so in a sentence, with what to do instead.
import importlib

NAMES = ["tkinter", "turtle", "venv", "ensurepip", "dbm.gnu", "compression.zstd", "concurrent.interpreters"]


def run():
    poor = []
    for name in NAMES:
        try:
            importlib.import_module(name)
            poor.append([name, "was imported"])
        except ImportError as error:
            text = str(error)
            if len(text) < 40 or name not in text or text == f"No module named '{name}'":
                poor.append([name, text])
    return poor
