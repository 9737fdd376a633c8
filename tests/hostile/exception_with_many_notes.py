# expect: failed error=ValueError message='noted' fuel=8e9 memory=128MiB timeout=20s
# Notes are part of a traceback and as unbounded as messages.
error = ValueError("noted")
for number in range(20_000):
    error.add_note("note " * 100)
raise error
