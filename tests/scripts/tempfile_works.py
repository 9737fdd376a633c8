# expect: succeeded result='["text", true, false]'
# tempfile uses /tmp and cleans up.
import os
import tempfile


def run():
    with tempfile.TemporaryDirectory() as folder:
        inside = folder.startswith("/tmp/")
        with open(os.path.join(folder, "f"), "w") as file:
            file.write("x")
    with tempfile.TemporaryFile("w+") as file:
        file.write("text")
        file.seek(0)
        text = file.read()
    with tempfile.NamedTemporaryFile() as named:
        assert os.path.exists(named.name)
    return [text, inside, os.path.exists(folder)]
