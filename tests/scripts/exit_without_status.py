# expect: succeeded result='null'
# sys.exit() is one too, in a function as well.
import sys


def run():
    sys.exit()
