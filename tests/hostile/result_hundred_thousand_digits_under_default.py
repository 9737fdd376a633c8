# expect: failed error=ResultError fuel=8e9
# The same with CPython's limit in force: the ValueError inside must become a sentence about the result.
def run():
    return [10**100_000]
