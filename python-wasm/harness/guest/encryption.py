"""Encryption: the host's verb for `cronbox.crypto`, and what the standard library leaves to OpenSSL elsewhere."""

from .kept import __builtins__

from operator import index

from componentize_py_types import Err
from wit_world.imports import host as _host

_call = _host.crypto
_DIGESTS = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
_LARGE = 16 << 10
"""From so many bytes on a message is worth a call of the host."""
_MOST = 2 << 20
_MOST_OF_A_CALL = 3 << 20
"""More than this the host takes over from nobody in one call."""
_MAXMEM = 32 << 20
"""What scrypt may use when nothing is said, as OpenSSL has it."""
_MOST_MAXMEM = (1 << 31) - 1
"""CPython's own bound of that."""


def call(what, parts, numbers=()):
    """Has the host do it. What it refuses is a ValueError."""
    if type(what) is not str:
        raise TypeError("what is to be done is a str")
    # Text that is no Unicode, and numbers that are none of 64 bits, do not get that far.
    what.encode()
    numbers = [index(number) for number in numbers]
    if any(not 0 <= number < 1 << 64 for number in numbers):
        raise OverflowError("a number is not one of 64 bits without a sign")
    parts = [part if type(part) is bytes else bytes(memoryview(part)) for part in parts]
    if sum(map(len, parts)) > _MOST_OF_A_CALL:
        raise ValueError(f"one call takes at most {_MOST_OF_A_CALL} bytes")
    try:
        return _call(what, parts, numbers)
    except Err as error:
        raise ValueError(error.value) from None


def adapt_verb(module):
    module.call = call


def _name(name):
    if type(name) is not str:
        raise TypeError(f"the name of a hash is a str, not {type(name).__name__}")
    return name.lower().replace("-", "").replace("sha2_", "sha")


def _number(value, name, least):
    value = index(value)
    if value < least:
        raise ValueError(f"{name} must be at least {least}.")
    if value >= 1 << 63:
        raise OverflowError(f"{name} is too great")
    return value


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom function."""
    name = _name(hash_name)
    if name not in _DIGESTS:
        raise ValueError(f"unsupported hash type {hash_name}")
    password, salt = bytes(memoryview(password)), bytes(memoryview(salt))
    iterations = _number(iterations, "iteration value", 1)
    dklen = _DIGESTS[name] if dklen is None else _number(dklen, "key length", 1)
    return call("pbkdf2", (name.encode(), password, salt), (iterations, dklen))


def scrypt(password, *, salt, n, r, p, maxmem=0, dklen=64):
    """scrypt password-based key derivation function."""
    password, salt = bytes(memoryview(password)), bytes(memoryview(salt))
    n, r, p = _number(n, "n", 2), _number(r, "r", 1), _number(p, "p", 1)
    if n & (n - 1):
        raise ValueError("n must be a power of 2.")
    dklen, maxmem = _number(dklen, "dklen", 1), _number(maxmem, "maxmem", 0) or _MAXMEM
    if maxmem > _MOST_MAXMEM:
        raise ValueError(f"maxmem must be at most {_MOST_MAXMEM}")
    needed = 128 * r * (n + p + 2)
    if needed > maxmem:
        raise ValueError(f"memory limit exceeded: scrypt needs {needed} bytes, maxmem allows {maxmem}")
    return call("scrypt", (password, salt), (n, r, p, dklen))


def adapt_hashlib(module):
    for function in (pbkdf2_hmac, scrypt):
        function.__module__ = "hashlib"
        setattr(module, function.__name__, function)
    module.__all__ = tuple(dict.fromkeys((*module.__all__, "pbkdf2_hmac", "scrypt")))


def adapt_hmac(module):
    """Large messages are summed by the host."""
    digest_here = module.digest

    def digest(key, msg, digest):
        """Fast inline implementation of HMAC."""
        if type(digest) is str and type(msg) is bytes and type(key) is bytes and _LARGE <= len(msg) <= _MOST:
            name = _name(digest)
            if name in _DIGESTS:
                return call("hmac", (name.encode(), key, msg))
        return digest_here(key, msg, digest)

    digest.__module__ = "hmac"
    module.digest = digest
