# expect: succeeded result='{"primes": 168, "last": 997, "check": "ok"}' fuel=8e9
# A database in a file in /tmp, with a recursive query and an index.
import sqlite3


def run():
    with sqlite3.connect("/tmp/primes.db") as db:
        db.execute("CREATE TABLE prime (n INTEGER PRIMARY KEY) WITHOUT ROWID")
        db.execute("""
            WITH RECURSIVE n(x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM n WHERE x < 1000)
            INSERT INTO prime SELECT x FROM n WHERE NOT EXISTS (
                SELECT 1 FROM n AS d WHERE d.x * d.x <= n.x AND n.x % d.x = 0
            )
        """)
    db.close()
    again = sqlite3.connect("/tmp/primes.db")
    count, last = again.execute("SELECT count(*), max(n) FROM prime").fetchone()
    return {"primes": count, "last": last, "check": again.execute("PRAGMA integrity_check").fetchone()[0]}
