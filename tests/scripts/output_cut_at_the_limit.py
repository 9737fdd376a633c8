# expect: succeeded stdout='first line' truncated=stdout output_limit=4KiB
# More than the limit is cut, with a mark, and the run goes on.
print("first line")
for number in range(10_000):
    print(f"line {number}")
