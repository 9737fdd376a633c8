# expect: succeeded result='[["Ada", 2, 700, 1], ["Bo", 1, 500, 2], ["Cy", 0, 0, 3]]'
# A database in memory: joins, aggregates, a window function, a common table expression, a Python function, roll-back.
import sqlite3


def run():
    db = sqlite3.connect(":memory:")
    db.executescript("""
        CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
        CREATE TABLE sale (person INTEGER REFERENCES person, cents INTEGER CHECK (cents > 0));
    """)
    db.executemany("INSERT INTO person (name) VALUES (?)", [("Ada",), ("Bo",), ("Cy",)])
    db.executemany("INSERT INTO sale VALUES (?, ?)", [(1, 400), (1, 300), (2, 500)])
    db.commit()
    try:
        with db:
            db.execute("INSERT INTO sale VALUES (3, 100)")
            db.execute("INSERT INTO sale VALUES (3, -1)")
    except sqlite3.IntegrityError:
        pass
    db.create_function("double", 1, lambda value: value * 2)
    assert db.execute("SELECT double(21)").fetchone() == (42,)
    return db.execute("""
        WITH total AS (
            SELECT name, count(cents) AS sales, coalesce(sum(cents), 0) AS cents
            FROM person LEFT JOIN sale ON sale.person = person.id GROUP BY person.id
        )
        SELECT name, sales, cents, rank() OVER (ORDER BY cents DESC) FROM total ORDER BY name
    """).fetchall()
