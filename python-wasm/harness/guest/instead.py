"""What to use instead of packages that are native code.

The table stands beside this file (`instead.json`), where the host reads it too. A package is known by the names under
which it is installed and those under which it is imported.
"""

from .kept import __builtins__

import json
import os

with open(os.path.dirname(__file__) + "/instead.json", encoding="utf-8") as _file:
    TABLE = json.load(_file)

_hints = {}
for _entry in TABLE:
    _ways = []
    if "modules" in _entry:
        _ways.append(" or ".join(_entry["modules"]) + " of the standard library")
    if "packages" in _entry:
        _ways.append(" or ".join(_entry["packages"]) + ", which is pure Python")
    _said = "; ".join(filter(None, ["use " + ", or ".join(_ways) if _ways else "", _entry.get("words", "")]))
    for _name in _entry["imports"]:
        _hints[_name] = _said


def sentence(name):
    """What to say of a module that belongs to such a package, or None."""
    hint = _hints.get(name.partition(".")[0])
    return None if hint is None else f"No module named {name!r}: it is native code, which a sandbox does not load; {hint}"
