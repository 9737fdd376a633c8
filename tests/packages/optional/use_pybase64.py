# /// script
# dependencies = ["pybase64"]
# ///
import pybase64

assert pybase64.b64encode(b"\x00\xff tea") == b"AP8gdGVh"
assert pybase64.b64decode("AP8gdGVh", validate=True) == b"\x00\xff tea"
