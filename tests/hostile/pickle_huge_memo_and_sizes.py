# expect: succeeded result='{"refused": 5}' memory=64MiB
# Sizes and memo numbers in a pickle that ask for gigabytes.
import pickle


def run():
    bombs = [
        b"\x80\x04B\xff\xff\xff\x7f",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x04\x8d\x00\x00\x00\x00\x10\x00\x00\x00",
        b"\x80\x04Nr\xff\xff\xff\x7f.",
        b"\x80\x05\x96\xff\xff\xff\x7f\x00\x00\x00\x00",
    ]
    refused = 0
    for bomb in bombs:
        try:
            pickle.loads(bomb)
        except (pickle.UnpicklingError, EOFError, MemoryError, OverflowError, ValueError):
            refused += 1
    return {"refused": refused}
