# expect: crashed
# The same with another status.
import os


def run():
    os._exit(3)
