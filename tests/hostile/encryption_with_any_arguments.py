# expect: succeeded result='"alive"' fuel=150e9
# The host's verb for encryption with every kind of argument, and with random bytes: an answer or an exception, never the
# end of the process.
import os
import random

from cronbox._verb import call

NAMES = [f"aes-{mode}-{does}" for mode in ("ecb", "cbc") for does in ("encrypt", "decrypt")]
NAMES += ["aes-ctr", "aes-ctr32", "ghash", "chacha20", "poly1305", "hmac", "pbkdf2", "scrypt", "power", "rsa-private"]
NAMES += [f"{of}-{does}" for of in ("p256", "p384", "p521", "k256", "ed25519") for does in ("public", "point", "sign", "verify")]
NAMES += ["", "-", "p256-", "x" * 100_000, "\0", "每天", "aes-gcm"]
LENGTHS = (0, 1, 11, 12, 15, 16, 17, 24, 31, 32, 33, 48, 64, 65, 66, 97, 128, 129, 133, 256, 1_000)
NUMBERS = (0, 1, 2, 15, 16, 64, 1 << 31, 1 << 32, (1 << 63) - 1, (1 << 64) - 1)
PARTS = {"hmac": 3, "pbkdf2": 3, "scrypt": 2, "power": 3, "rsa-private": 6}


def attempt(*arguments):
    try:
        return call(*arguments)
    except (ValueError, TypeError, OverflowError, AttributeError, MemoryError):
        return None


def some():
    length = random.choice(LENGTHS)
    return random.choice((bytes(length), b"\xff" * length, os.urandom(length), os.urandom(length)))


def count(name):
    if name.endswith(("public", "point")):
        return 1
    if name.endswith("sign"):
        return 2
    return PARTS.get(name, 3)


def run():
    for name in NAMES:
        for arguments in (((), ()), ((b"",) * 9, ()), ((b"",), (0,) * 9), ((b"",) * count(name), (0,)), (("text",), ())):
            attempt(name, *arguments)
        for wrong in ((b"x",), (-1,)), ((b"x",), (1 << 64,)), ((b"x",), (1.5,)), ((None,), (0,)):
            attempt(name, *wrong)
    for _ in range(1_500):
        name = random.choice(NAMES)
        parts = [some() for _ in range(count(name))]
        if name in ("hmac", "pbkdf2"):
            parts[0] = random.choice((b"sha256", b"sha1", b"md5", b"sha512", b"", b"\xff"))
        # What costs more than the run has ends it, as it must; that is tried elsewhere.
        numbers = {"pbkdf2": (random.choice((0, 1, 1000)), random.choice((0, 1, 100, 1 << 64 - 1))), "scrypt": (random.choice((0, 1, 2, 3, 64)), random.choice((0, 1, 8, 1 << 62)), 1, random.choice((0, 1, 64, 1 << 40)))}
        few = () if name in ("hmac", "power", "rsa-private") or "-sign" in name or "-verify" in name or count(name) == 1 else (random.choice(NUMBERS),)
        attempt(name, parts, numbers.get(name, few))
    # More than a call takes, and more than there is.
    attempt("aes-ecb-encrypt", (bytes(16), b"", bytes(17 << 20)), (0,))
    attempt("aes-ctr", (bytes(16), bytes(16), bytes(16 << 20)), (0,))
    attempt("scrypt", (b"", b""), (1 << 20, 8, 1, 64))
    return "alive"
