# expect: succeeded result='["ValueError", "ZeroDivisionError", "RecursionError", "MemoryError"]' memory=128MiB fuel=8e9
# Errors that are caught leave no trace, running out of stack or memory included.
def deep():
    return deep()


def run():
    seen = []
    for attempt in (lambda: int("x"), lambda: 1 // 0, deep, lambda: bytearray(10**9)):
        try:
            attempt()
        except Exception as error:
            seen.append(type(error).__name__)
    return seen
