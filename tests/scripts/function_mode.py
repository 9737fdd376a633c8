# expect: succeeded result='{"name": "function_mode", "has_main": false}'
# A function `run` is called; __name__ is the script's name.
import sys


def run():
    return {"name": __name__, "has_main": __name__ == "__main__"}
