# expect: succeeded result='[3, 14, "wasi", 2147483647]'
# What the interpreter says about itself.
import sys


def run():
    return [*sys.version_info[:2], sys.platform, sys.maxsize]
