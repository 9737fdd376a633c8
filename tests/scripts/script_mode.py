# expect: succeeded result='null' stdout='__main__ 6'
# Without `run` the file runs from top to bottom as __main__; its result is null.
total = sum(range(4))
print(__name__, total)
