# expect: succeeded result='["open", "append", "mkdir", "remove", "rename"]'
# Whatever changes /app is refused as an OSError.
import os
import pathlib


def run():
    attempts = {
        "open": lambda: open("new.txt", "w"),
        "append": lambda: open(__file__, "a"),
        "mkdir": lambda: os.mkdir("folder"),
        "remove": lambda: pathlib.Path(__file__).unlink(),
        "rename": lambda: os.rename(__file__, "other.py"),
    }
    refused = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            refused.append(name)
    return refused
