# expect: succeeded result='[]'
# Case A6: local time is UTC, so that SQLite's modifiers change nothing.
import sqlite3
import time


def run():
    wrong = []
    base = sqlite3.connect(":memory:")
    base.execute("create table log(v real, at text not null default (datetime('now', 'localtime')))")
    base.execute("insert into log(v) values (1.5)")
    year = time.strftime("%Y")
    (at,) = base.execute("select at from log").fetchone()
    if len(at) != 19 or not at.startswith(year):
        wrong.append(at)
    pairs = {
        "datetime('2026-01-01 12:00', 'localtime')": "2026-01-01 12:00:00",
        "datetime('2026-01-01 12:00', 'utc', '+1 day')": "2026-01-02 12:00:00",
        "date(1767225600, 'unixepoch', 'LocalTime')": "2026-01-01",
        "time('12:34', 'localtime', '-1 hours')": "11:34:00",
        "strftime('%Y-%m', '2026-02-03', 'localtime', 'start of month')": "2026-02",
        "unixepoch('2026-01-01', 'localtime')": 1767225600,
        "julianday('2000-01-01 12:00', 'localtime')": 2451545.0,
        "datetime('nonsense', 'localtime')": None,
        "date('2026-01-01')": "2026-01-01",
    }
    for expression, wanted in pairs.items():
        (found,) = base.execute(f"select {expression}").fetchone()
        if found != wanted:
            wrong.append([expression, found])
    base.execute("create table d(at text, day text generated always as (date(at)) stored)")
    base.execute("create index i on d(date(at))")
    base.execute("insert into d(at) values ('2026-05-06 07:08:09')")
    if base.execute("select day from d").fetchone() != ("2026-05-06",):
        wrong.append("generated")
    return wrong
