# expect: succeeded stdout='1. Müller GmbH 4200.50 (running 4200.50)' stdout='North: best month 2026-02' stdout='imported 7, skipped 1' output=report.csv output=orders.db stderr='skipped line 6'
import contextlib
import csv
import logging
import os
import pathlib
import sqlite3
import sys
from decimal import Decimal, InvalidOperation

BASE_DIR = pathlib.Path(__file__).parent
DB = "/output/orders.db"
logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")

sqlite3.register_adapter(Decimal, str)
sqlite3.register_converter("MONEY", lambda b: Decimal(b.decode()))


def money(text):
    # 1.234,50 as Excel writes it here
    return Decimal(text.strip().replace(".", "").replace(",", "."))


with contextlib.closing(sqlite3.connect(DB, detect_types=sqlite3.PARSE_DECLTYPES)) as con:
    con.executescript((BASE_DIR / "schema.sql").read_text())
    con.create_function("region", 1, lambda zip: "North" if zip < "5" else "South", deterministic=True)
    good = bad = 0
    with open(BASE_DIR / "data" / "orders.csv", newline="", encoding="utf-8-sig") as f:
        dialect = csv.Sniffer().sniff(f.read(1024), delimiters=";,")
        f.seek(0)
        with con:
            for row in csv.DictReader(f, dialect=dialect):
                try:
                    con.execute("INSERT INTO orders(day, customer, zip, amount) VALUES (:day, :customer, :zip, :amount)", {**row, "amount": money(row["amount"])})
                    good += 1
                except InvalidOperation:
                    bad += 1
                    logging.warning("skipped line %d: %r", good + bad + 1, row["amount"])
    print(f"imported {good}, skipped {bad}")

    query = """
        WITH t AS (SELECT customer, round(sum(CAST(amount AS REAL)), 2) AS total FROM orders GROUP BY customer)
        SELECT rank() OVER w AS place, customer, total, sum(total) OVER w AS running,
               ntile(2) OVER w AS half, first_value(customer) OVER w AS best
        FROM t WINDOW w AS (ORDER BY total DESC) ORDER BY place
    """
    cur = con.execute(query)
    with open("/output/report.csv", "w", newline="", encoding="utf-8-sig") as f:
        w = csv.writer(f, delimiter=";", quoting=csv.QUOTE_NONNUMERIC)
        w.writerow([d[0] for d in cur.description])
        for place, customer, total, running, *rest in cur:
            w.writerow([place, customer, total, running, *rest])
            print(f"{place}. {customer} {total:.2f} (running {running:.2f})")
    for region, month in con.execute("""
        SELECT region, month FROM (
            SELECT region(zip) AS region, strftime('%Y-%m', day) AS month,
                   row_number() OVER (PARTITION BY region(zip) ORDER BY sum(amount) DESC) AS n
            FROM orders GROUP BY 1, 2)
        WHERE n = 1 ORDER BY 1"""):
        print(f"{region}: best month {month}")
    con.execute("VACUUM")
    with contextlib.closing(sqlite3.connect(":memory:")) as copy:
        con.backup(copy)
        assert copy.execute("pragma integrity_check").fetchone() == ("ok",)
