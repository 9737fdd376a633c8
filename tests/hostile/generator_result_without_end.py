# expect: failed error=ResultError fuel=4e9 memory=64MiB
# A generator is not JSON: it must be refused by its type, not run.
import itertools


def run():
    return (number for number in itertools.count())
