# expect: succeeded result='"done"' stdout='xxxx' truncated=stdout output_limit=64KiB fuel=8e9
# A run that prints more than it may is cut, not failed.
def run():
    for _ in range(200):
        print("x" * 10_000)
    return "done"
