"""Makes the harness's modules importable one by one: the package itself prepares a snapshot when it is imported.

    python3 -m unittest discover -s python-wasm/harness/tests

They are written for the interpreter they run in, CPython 3.14; 3.13 will do for these tests.
"""

import sys
import types
from pathlib import Path

if sys.version_info < (3, 13):
    raise RuntimeError("the harness's tests need Python 3.13 or newer")

if "guest" not in sys.modules:
    package = types.ModuleType("guest")
    package.__path__ = [str(Path(__file__).parent.parent / "guest")]
    sys.modules["guest"] = package
