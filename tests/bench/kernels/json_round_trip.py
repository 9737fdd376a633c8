import json


def run():
    rows = [{"id": n, "name": f"row {n}", "tags": ["a", "b"], "ratio": n / 7} for n in range(2_000)]
    for _ in range(10):
        rows = json.loads(json.dumps(rows))
    return len(rows)
