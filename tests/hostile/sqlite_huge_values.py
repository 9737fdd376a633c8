# expect: succeeded result='{"refused": 4}' memory=64MiB fuel=8e9
# Values and tables larger than memory.
import sqlite3


def run():
    attempts = [
        "SELECT length(zeroblob(2147483648))",
        "SELECT hex(zeroblob(900000000))",
        "SELECT hex(randomblob(900000000))",
        "CREATE TABLE t AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000) SELECT zeroblob(1000000) FROM n",
    ]
    refused = 0
    for sql in attempts:
        database = sqlite3.connect(":memory:")
        try:
            database.execute(sql).fetchall()
        except (sqlite3.Error, MemoryError):
            refused += 1
        database.close()
    return {"refused": refused}
