import sqlite3


class Store:
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("pragma journal_mode=wal")
        self.db.execute("create table if not exists page (loc text primary key, lastmod text) without rowid")
        self.total = 0

    def add(self, loc, lastmod):
        self.db.execute(
            "insert into page values (?, ?) on conflict(loc) do update set lastmod = excluded.lastmod", (loc, lastmod)
        )
        self.total += 1

    def count(self):
        return self.db.execute("select count(*) from page").fetchone()[0]

    def newest(self):
        return self.db.execute("select loc, max(lastmod) from page order by loc").fetchone()

    def close(self):
        self.db.execute("pragma wal_checkpoint(truncate)")
        self.db.close()
