# expect: succeeded result='5' timeout=3s
# Whoever waits for a person is told at once that there is none.
import io
import os
import sys


def run():
    told = 0
    for read in (sys.stdin.read, sys.stdin.readline, lambda: os.read(0, 100)):
        try:
            read()
        except io.UnsupportedOperation:
            told += 1
    for ask in (input, lambda: input("password: ")):
        try:
            ask()
        except EOFError:
            told += 1
    return told
