"""Keys from passwords, and sums with a key, as hashlib and hmac have them with OpenSSL."""

import hashlib
import hmac

made = hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 600_000)
assert made.hex() == "669cfe52482116fda1aa2cbe409b2f56c8e4563752b7a28f6eaab614ee005178", made.hex()
for arguments in (("sha256", b"p", b"s", 0), ("sha256", b"p", b"s", 1, 0), ("tea", b"p", b"s", 1)):
    try:
        hashlib.pbkdf2_hmac(*arguments)
    except ValueError:
        pass
    else:
        raise AssertionError(arguments)
try:
    hashlib.pbkdf2_hmac("sha256", "text", b"s", 1)
except TypeError:
    pass
else:
    raise AssertionError("a text is no password")
made = hashlib.scrypt(b"pleaseletmein", salt=b"SodiumChloride", n=16384, r=8, p=1, maxmem=1 << 26)
assert made.hex().startswith("7023bdcb3afd7348461c06cd81fd38eb"), made.hex()
try:
    hashlib.scrypt(b"p", salt=b"s", n=1 << 20, r=8, p=1)
except ValueError as error:
    assert "memory limit exceeded" in str(error)
else:
    raise AssertionError("32 MiB are the bound")
try:
    hashlib.scrypt(b"p", salt=b"s", n=16, r=8, p=None)
except TypeError as error:
    assert "cannot be interpreted as an integer" in str(error)
else:
    raise AssertionError("None is no number")
for length in (0, 1, 16 << 10, 5 << 20):
    message = bytes(range(256)) * (length // 256 + 1)
    for name in ("sha256", "sha512", "md5", "sha1"):
        at_once = hmac.digest(b"key", message[:length], name)
        assert at_once == hmac.new(b"key", message[:length], name).digest(), (length, name)
assert {"pbkdf2_hmac", "scrypt"} <= set(hashlib.__all__)
