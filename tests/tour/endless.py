"""A script that would never end: its sandbox does."""


def run():
    n = 0
    while True: n += 1
