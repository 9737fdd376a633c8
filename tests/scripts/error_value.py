# expect: failed error=ValueError message='price must be positive: -3'
# The failure's type and message; the traceback shows the lines of this file only, with their source.
def check(price):
    if price < 0:
        raise ValueError(f"price must be positive: {price}")


def run():
    check(-3)
