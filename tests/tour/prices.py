"""A report over a small data set: what a scheduled script usually is."""

import csv
import io
import statistics

PRICES = """day,symbol,price
2026-01-05,ACME,101.5
2026-01-05,INIT,44.0
2026-01-06,ACME,103.25
2026-01-06,INIT,43.5
2026-01-07,ACME,99.75
2026-01-07,INIT,47.0
"""


def run(context, symbol="ACME"):
    rows = [row for row in csv.DictReader(io.StringIO(PRICES)) if row["symbol"] == symbol]
    prices = [float(row["price"]) for row in rows]
    print(f"{len(prices)} prices of {symbol}, asked for by {context.cause} run")
    return {"symbol": symbol, "last": prices[-1], "mean": round(statistics.fmean(prices), 2)}
