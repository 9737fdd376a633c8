# expect: failed error=OperationalError memory=64MiB fuel=8e9
# Nesting in SQL meets SQLite's own limits.
import sqlite3

sqlite3.connect(":memory:").execute("SELECT " + "NOT " * 50_000 + "1")
