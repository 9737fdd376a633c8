# expect: out_of_fuel fuel=2e9 memory=64MiB timeout=20s
# A query without end, inside C.
import sqlite3

sqlite3.connect(":memory:").execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n").fetchone()
