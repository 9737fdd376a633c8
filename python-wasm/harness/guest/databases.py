"""SQLite: what the interpreter's SQLite is built without.

Dates have the modifiers `localtime` and `utc`: each becomes the difference in seconds, and nothing where local time is
UTC. Without this they make every date NULL. And files in WAL mode, which it cannot open, leave that mode.
"""

from .kept import __builtins__

import os as _os
import time as _time

from . import localtime

_NAMES = ("date", "time", "datetime", "julianday", "unixepoch", "strftime")
_LOCAL, _UTC = "localtime", "utc"

_MAGIC = b"SQLite format 3\0"
_VERSIONS = 18
"""Where a file has two bytes that say whether it is in WAL mode (2, else 1), by SQLite's description of the format."""
_NOT_FILES = frozenset(("", ":memory:", b"", b":memory:"))
_IN_WAL = (
    "{path}-wal has changes in WAL mode, which the SQLite of a sandbox cannot read: where the file comes from, run "
    "PRAGMA journal_mode=DELETE, and bring it again"
)


def _leave_wal(sqlite3, database, uri):
    """Does to a file what `PRAGMA journal_mode=DELETE` does to it elsewhere; leaves alone what cannot be written."""
    if type(database) in (str, bytes) and database in _NOT_FILES:
        return
    path = _os.fsdecode(database)
    if uri and path.startswith("file:"):
        from urllib.parse import unquote

        path = unquote(path[5:].partition("?")[0].partition("#")[0])
    try:
        with open(path, "r+b") as file:
            head = file.read(_VERSIONS + 2)
            if head[: len(_MAGIC)] != _MAGIC or 2 not in head[_VERSIONS:]:
                return
            log = path + "-wal"
            if _os.path.exists(log) and _os.path.getsize(log):
                raise sqlite3.OperationalError(_IN_WAL.format(path=path))
            file.seek(_VERSIONS)
            file.write(b"\1\1")
    except (OSError, ValueError):
        pass


def adapt_sqlite3(sqlite3):
    plain = sqlite3.Connection
    connect = sqlite3.connect
    kept = []
    statements = {}

    def builtin(name, values):
        """What the built-in function of that name says."""
        if not kept:
            kept.append(plain(":memory:"))
        key = name, len(values)
        if key not in statements:
            statements[key] = f"SELECT {name}({', '.join('?' * len(values))})"
        return kept[0].execute(statements[key], values).fetchone()[0]

    def difference(word, moment):
        """The modifier in place of the word, for a moment and the modifiers before."""
        at = builtin("unixepoch", moment)
        if at is None:
            return "0 seconds"
        at = int(at)
        if word == _LOCAL:
            return f"{_time.localtime(at).tm_gmtoff:+d} seconds"
        return f"{int(_time.mktime((*_time.gmtime(at)[:8], -1))) - at:+d} seconds"

    def calculate(name, first):
        """The built-in function of that name; its modifiers begin at `first`."""

        def function(*values):
            taken = list(values[:first])
            for value in values[first:]:
                word = value.lower() if type(value) is str else None
                if word not in (_LOCAL, _UTC):
                    taken.append(value)
                elif localtime.is_set():
                    taken.append(difference(word, taken[first - 1 :]))
            return builtin(name, taken)

        return function

    functions = [(name, calculate(name, 2 if name == "strftime" else 1)) for name in _NAMES]

    class Connection(plain):
        __doc__ = plain.__doc__

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            for name, function in functions:
                # Deterministic within a statement, as the built-in ones are.
                plain.create_function(self, name, -1, function, deterministic=True)

    def connect_with(*args, **kwargs):
        # The factory is the sixth of the positional parameters.
        if len(args) < 6:
            kwargs.setdefault("factory", Connection)
        # The first is the file, the eighth whether it is an address.
        database = args[0] if args else kwargs.get("database", "")
        _leave_wal(sqlite3, database, args[7] if len(args) > 7 else kwargs.get("uri"))
        return connect(*args, **kwargs)

    Connection.__module__ = "sqlite3"
    connect_with.__name__ = connect_with.__qualname__ = "connect"
    connect_with.__doc__ = connect.__doc__
    connect_with.__module__ = "sqlite3"
    for module in (sqlite3, sqlite3.dbapi2):
        module.Connection, module.connect = Connection, connect_with
