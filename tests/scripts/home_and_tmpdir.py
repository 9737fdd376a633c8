# expect: succeeded result='{"HOME": "/tmp", "TMPDIR": "/tmp"}'
# The environment holds these two and what was given, nothing else.
import os
import pathlib
import tempfile


def run():
    assert os.path.expanduser("~") == "/tmp" == str(pathlib.Path.home()) == tempfile.gettempdir()
    return dict(os.environ)
