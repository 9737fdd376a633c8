# expect: succeeded result='{"symbol": "ACME", "days": 3, "tags": ["a"], "rate": 0.5, "dry": true, "none": null}' args='{"symbol": "ACME", "days": 3, "tags": ["a"], "rate": 0.5, "dry": true, "none": null}'
# An object of arguments fills parameters by name.
def run(symbol, days=1, *, tags, rate, dry, **others):
    assert type(days) is int and type(rate) is float and dry is True
    return {"symbol": symbol, "days": days, "tags": tags, "rate": rate, "dry": dry} | others
