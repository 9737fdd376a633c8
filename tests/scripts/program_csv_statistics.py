# expect: succeeded result='{"rows": 1000, "mean": 50.26, "median": 50.0, "by_region": {"east": 250, "north": 250, "south": 250, "west": 250}, "best": "west"}' fuel=8e9
# A data set written as CSV, read back and summed up.
import csv
import statistics


def run():
    regions = ["north", "east", "south", "west"]
    with open("/tmp/sales.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "region", "amount", "note"])
        writer.writeheader()
        for number in range(1000):
            amount = number * 37 % 101 + (number % 4 == 3)
            writer.writerow({"id": number, "region": regions[number % 4], "amount": amount, "note": 'a "quoted", text\nin two lines'})
    with open("/tmp/sales.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["note"].count("\n") == 1 for row in rows)
    amounts = [int(row["amount"]) for row in rows]
    totals, counts = {}, {}
    for row in rows:
        totals[row["region"]] = totals.get(row["region"], 0) + int(row["amount"])
        counts[row["region"]] = counts.get(row["region"], 0) + 1
    return {
        "rows": len(rows),
        "mean": statistics.mean(amounts),
        "median": statistics.median(amounts),
        "by_region": dict(sorted(counts.items())),
        "best": max(totals, key=totals.get),
    }
