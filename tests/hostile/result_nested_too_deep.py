# expect: failed error=ResultError fuel=10e9 memory=128MiB timeout=20s
# 100,000 levels, of lists and dicts in turn: the harness bounds the depth and does not recurse.
def run():
    value = 1
    for number in range(50_000):
        value = [{"next": value}]
    # Kept elsewhere too, so that freeing it is not what is tested.
    globals()["keep"] = value
    return value
