# expect: succeeded result='"as native"'
# Two connections to one file, as in a native process: both read, one writes while the other reads, the second writer waits
# and is refused, and a commit is refused while the other still reads. What a native Python 3 does is asserted.
import dbm.sqlite3
import os
import shelve
import sqlite3
import time

PATH = "/tmp/shop.db"


def locked(function, *args):
    try:
        function(*args)
    except sqlite3.OperationalError as error:
        assert str(error) == "database is locked", error
        return True
    return False


def left_open():
    """A connection that an earlier function made and never closed."""
    connection = sqlite3.connect(PATH)
    connection.execute("CREATE TABLE prices(name TEXT PRIMARY KEY, price REAL)")
    connection.executemany("INSERT INTO prices VALUES (?, ?)", [("tea", 3.5), ("milk", 1.25)])
    connection.commit()
    return connection


def readers_and_a_writer():
    kept = left_open()
    one, two = sqlite3.connect(PATH, timeout=0.05), sqlite3.connect(PATH, timeout=0.05)
    one.execute("UPDATE prices SET price = 4 WHERE name = 'tea'")
    # Not committed: the others see what was before, and cannot write.
    assert two.execute("SELECT price FROM prices WHERE name = 'tea'").fetchone() == (3.5,)
    assert kept.execute("SELECT count(*) FROM prices").fetchone() == (2,)
    began = time.monotonic()
    assert locked(two.execute, "INSERT INTO prices VALUES ('salt', 1)")
    assert 0.04 < time.monotonic() - began < 2
    one.commit()
    assert two.execute("SELECT price FROM prices WHERE name = 'tea'").fetchone() == (4.0,)
    two.execute("INSERT INTO prices VALUES ('salt', 1)")
    two.commit()
    # A commit has to wait for a reader that is not done.
    reading = two.execute("SELECT name FROM prices ORDER BY name")
    assert reading.fetchone() == ("milk",)
    one.execute("DELETE FROM prices WHERE name = 'salt'")
    assert locked(one.commit)
    assert [name for (name,) in reading] == ["salt", "tea"]
    one.commit()
    assert one.execute("SELECT count(*) FROM prices").fetchone() == (2,)
    # A transaction that is left is undone.
    one.execute("DELETE FROM prices")
    one.close()
    assert two.execute("SELECT count(*) FROM prices").fetchone() == (2,)
    assert kept.execute("SELECT count(*) FROM prices").fetchone() == (2,)
    two.close()
    assert not os.path.exists(PATH + "-journal") and not os.path.exists(PATH + ".lock")


def kinds_of_transactions():
    one, two = (sqlite3.connect(PATH, timeout=0, isolation_level=None) for _ in range(2))
    for kind, reads, writes in (("DEFERRED", True, True), ("IMMEDIATE", True, False), ("EXCLUSIVE", False, False)):
        one.execute(f"BEGIN {kind}")
        assert locked(two.execute, "SELECT * FROM prices") is not reads, kind
        assert locked(two.execute, "INSERT INTO prices VALUES ('x', 0)") is not writes, kind
        one.execute("ROLLBACK")
        two.execute("DELETE FROM prices WHERE name = 'x'")
    one.execute("PRAGMA locking_mode = EXCLUSIVE")
    one.execute("INSERT INTO prices VALUES ('x', 0)")
    assert locked(two.execute, "SELECT * FROM prices")
    one.close()
    two.execute("DELETE FROM prices WHERE name = 'x'")
    two.close()


def other_ways():
    with sqlite3.connect(PATH) as one, sqlite3.connect("/tmp/other.db") as other:
        other.execute("CREATE TABLE known(name TEXT)")
        other.execute("INSERT INTO known VALUES ('tea')")
        other.commit()
        one.execute("ATTACH '/tmp/other.db' AS o")
        assert one.execute("SELECT price FROM prices JOIN o.known USING (name)").fetchall() == [(4.0,)]
        one.execute("INSERT INTO o.known SELECT name FROM prices")
        one.commit()
        assert other.execute("SELECT count(*) FROM known").fetchone() == (3,)
        one.execute("DETACH o")
        with sqlite3.connect("/tmp/copy.db") as copy:
            one.backup(copy)
            assert copy.execute("SELECT * FROM prices").fetchall() == one.execute("SELECT * FROM prices").fetchall()
        with sqlite3.connect(f"file:{PATH}?mode=ro", uri=True) as readonly:
            assert readonly.execute("SELECT count(*) FROM prices").fetchone() == (2,)
            try:
                readonly.execute("DELETE FROM prices")
            except sqlite3.OperationalError as error:
                assert "readonly" in str(error)
            else:
                raise AssertionError("was deleted")
        assert [row[1:] for row in one.execute("PRAGMA database_list")] == [("main", PATH)]
    # The same file by another name.
    os.symlink(PATH, "/tmp/link.db")
    one, two = sqlite3.connect(PATH, timeout=0), sqlite3.connect("/tmp/link.db", timeout=0)
    one.execute("DELETE FROM prices")
    assert locked(two.execute, "INSERT INTO prices VALUES ('y', 0)")
    one.rollback()
    with dbm.sqlite3.open("/tmp/kv.db", "c") as first, dbm.sqlite3.open("/tmp/kv.db", "w") as second:
        first["a"] = "1"
        assert second["a"] == b"1"
        second["b"] = "2"
        assert sorted(first.keys()) == [b"a", b"b"]
    with shelve.open("/tmp/shelf") as first, shelve.open("/tmp/shelf") as second:
        first["a"] = [1]
        assert second["a"] == [1]


def a_journal_that_was_left():
    """What a process leaves that ended within a commit is undone by whoever opens the file next."""
    one = sqlite3.connect("/tmp/hot.db", isolation_level=None)
    one.execute("PRAGMA cache_size = 1")
    one.execute("CREATE TABLE t(x)")
    one.executemany("INSERT INTO t VALUES (?)", [("a" * 1000,) for _ in range(200)])
    one.execute("BEGIN")
    one.execute("UPDATE t SET x = 'b'")
    for suffix in ("", "-journal"):
        with open("/tmp/hot.db" + suffix, "rb") as source, open("/tmp/left.db" + suffix, "wb") as target:
            target.write(source.read())
    two = sqlite3.connect("/tmp/left.db")
    assert two.execute("SELECT count(*) FROM t WHERE x LIKE 'a%'").fetchone() == (200,)
    assert not os.path.exists("/tmp/left.db-journal")
    assert two.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def write_ahead_log():
    """The interpreter's SQLite has no WAL: the pragma answers the mode that stays in force, which SQLite documents."""
    one, two = sqlite3.connect("/tmp/wal.db", timeout=0.05), sqlite3.connect("/tmp/wal.db", timeout=0.05)
    assert one.execute("PRAGMA journal_mode=WAL").fetchone()[0] in ("wal", "delete")
    one.execute("CREATE TABLE t(x)")
    one.execute("INSERT INTO t VALUES (1)")
    assert two.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] in (0, 1)
    one.commit()
    assert two.execute("SELECT x FROM t").fetchall() == [(1,)]
    two.execute("INSERT INTO t VALUES (2)")
    two.commit()
    assert one.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]


def run():
    readers_and_a_writer()
    kinds_of_transactions()
    other_ways()
    a_journal_that_was_left()
    write_ahead_log()
    return "as native"
