"""SQLite: dates with the modifiers `localtime` and `utc`, which the interpreter's SQLite is built without.

Local time is UTC in a run, so both change nothing. Without this they make every date NULL.
"""

from .kept import __builtins__

_NAMES = ("date", "time", "datetime", "julianday", "unixepoch", "strftime")
_NOTHING = frozenset(("localtime", "utc"))


def adapt_sqlite3(sqlite3):
    plain = sqlite3.Connection
    connect = sqlite3.connect
    kept = []

    def calculate(name, first):
        """The built-in function of that name; its modifiers begin at `first`."""
        statements = {}

        def function(*values):
            if not kept:
                kept.append(plain(":memory:"))
            values = (
                *values[:first],
                *(value for value in values[first:] if not (type(value) is str and value.lower() in _NOTHING)),
            )
            count = len(values)
            if count not in statements:
                statements[count] = f"SELECT {name}({', '.join('?' * count)})"
            return kept[0].execute(statements[count], values).fetchone()[0]

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
        return connect(*args, **kwargs)

    Connection.__module__ = "sqlite3"
    connect_with.__name__ = connect_with.__qualname__ = "connect"
    connect_with.__doc__ = connect.__doc__
    connect_with.__module__ = "sqlite3"
    for module in (sqlite3, sqlite3.dbapi2):
        module.Connection, module.connect = Connection, connect_with
