# expect: failed|out_of_memory|out_of_fuel fuel=3e9 memory=128MiB timeout=20s
# 60 lists, each twice the one before: 2 ** 60 values as JSON. The count of values must be bounded too, else fuel or
# memory ends it.
def run():
    value = []
    for _ in range(60):
        value = [value, value]
    return value
