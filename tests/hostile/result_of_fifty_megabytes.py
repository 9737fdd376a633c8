# expect: failed error=ResultError fuel=20e9 memory=256MiB timeout=20s
# One text far above the result's limit.
def run():
    return "x" * 50_000_000
