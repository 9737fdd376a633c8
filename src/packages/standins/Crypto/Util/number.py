"""Numbers as bytes."""

import math

GCD = math.gcd


def ceil_div(n, d):
    return -(-n // d)


def size(N):
    if N < 0:
        raise ValueError("Size in bits only available for non-negative numbers")
    return N.bit_length()


def inverse(u, v):
    return pow(u, -1, v)


def long_to_bytes(n, blocksize=0):
    if n < 0 or blocksize < 0:
        raise ValueError("Values must be non-negative")
    made = n.to_bytes((n.bit_length() + 7) // 8 or 1)
    return bytes(-len(made) % blocksize) + made if blocksize else made


def bytes_to_long(s):
    return int.from_bytes(s)
