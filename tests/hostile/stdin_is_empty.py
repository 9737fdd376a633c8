# expect: succeeded result='5' timeout=3s
# Whoever waits for a person gets the end of the file at once.
import os
import sys


def run():
    ended = 0
    assert sys.stdin.read() == "" and sys.stdin.readline() == ""
    ended += 1
    assert os.read(0, 100) == b""
    ended += 1
    for ask in (input, lambda: input("password: ")):
        try:
            ask()
        except EOFError:
            ended += 1
    for _ in sys.stdin:
        raise AssertionError("a line from nowhere")
    return ended + 1
