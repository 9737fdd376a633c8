# expect: succeeded result='"refused"' memory=64MiB
# Databases outside /tmp, by connect, ATTACH, VACUUM INTO, URI and extension.
import sqlite3


def run():
    for path in ("/etc/passwd", "/app/new.db", "../etc/x.db", "/proc/self/mem", "/tmp/../etc/x.db", "file:/etc/passwd?mode=ro"):
        try:
            sqlite3.connect(path, uri=path.startswith("file:")).execute("CREATE TABLE t (x)")
        except sqlite3.Error:
            pass
        else:
            raise AssertionError(f"{path} was opened")
        database = sqlite3.connect(":memory:")
        for sql in (f"ATTACH '{path}' AS a", f"VACUUM INTO '{path}'"):
            try:
                database.execute(sql)
                database.execute("CREATE TABLE IF NOT EXISTS a.t (x)")
            except sqlite3.Error:
                continue
            raise AssertionError(f"{sql} worked")
    assert not hasattr(database, "enable_load_extension")
    try:
        database.execute("SELECT load_extension('/tmp/x')")
    except sqlite3.Error:
        return "refused"
    raise AssertionError("an extension was loaded")
