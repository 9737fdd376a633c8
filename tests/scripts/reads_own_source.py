# expect: succeeded result='true'
# The working directory is /app, which holds the script.
import os
import pathlib


def run():
    name = "reads_own_source.py"
    assert os.getcwd() == "/app" and __file__ == f"/app/{name}"
    assert name in os.listdir() and os.path.getsize(name) > 100
    with open(__file__) as by_file, open(name) as relative:
        text = by_file.read()
        assert text == relative.read() == pathlib.Path(name).read_text()
    return "The working directory is /app" in text
