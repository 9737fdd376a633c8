# expect: succeeded result='["1", null]'
# os.environ is the script's own.
import os


def run():
    os.environ["MINE"] = "1"
    value = os.getenv("MINE")
    del os.environ["MINE"]
    return [value, os.getenv("MINE")]
