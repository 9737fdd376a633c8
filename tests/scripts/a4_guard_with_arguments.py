# expect: succeeded result='[3]' args='{"n": 3}'
# Arguments are for a function.
import sys


def run(n):
    return [n]


if __name__ == "__main__":
    run(int(sys.argv[1]))
