# expect: succeeded result='["ACME", 3, []]' args='["ACME", 3]'
# An array of arguments fills them in order.
def run(symbol, days, *others):
    return [symbol, days, list(others)]
