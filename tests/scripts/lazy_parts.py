# expect: succeeded result='"all there"' fuel=20e9
# What the standard library imports only when it is used.
import datetime
import decimal
import pickle
import sys
import time


def run():
    sys.set_int_max_str_digits(0)
    assert len(str(7**20_000)) == 16_902 and int("9" * 20_000) == 10**20_000 - 1
    assert datetime.datetime.strptime("03 Feb 2026", "%d %b %Y") == datetime.datetime(2026, 2, 3)
    assert time.strptime("12:30", "%H:%M").tm_hour == 12
    for codec in ("latin-1", "cp1252", "cp437", "iso8859-15", "koi8-r", "utf-16", "utf-32", "utf-7", "mac-roman", "gbk", "shift_jis", "big5"):
        assert "ABC".encode(codec).decode(codec) == "ABC", codec
    assert "bücher.example".encode("idna") == b"xn--bcher-kva.example"
    assert "bücher".encode("punycode") == b"bcher-kva"
    assert pickle.loads(pickle.dumps(decimal.Decimal("1.5"))) == decimal.Decimal("1.5")
    assert f"{datetime.date(2026, 2, 3):%A %j}" == "Tuesday 034"
    assert b"\xe9".decode("utf-8", "backslashreplace") == "\\xe9"
    return "all there"
