# expect: succeeded result='"local"'
# os.environ["TZ"] and time.tzset(): all of time, datetime, logging and email follow. The values are a native Python's.
import datetime
import email.utils
import io
import logging
import os
import sqlite3
import time
import warnings

SUMMER, WINTER = 1782882000, 1767247200
NAMES = {
    "Asia/Shanghai": (-28800, -28800, 0, ("CST", "CST")),
    "America/New_York": (18000, 14400, 1, ("EST", "EDT")),
    "Europe/Dublin": (0, -3600, 1, ("GMT", "IST")),
    "Australia/Lord_Howe": (-37800, -39600, 1, ("+1030", "+11")),
    "Asia/Kolkata": (-19800, -19800, 0, ("IST", "IST")),
    ":Asia/Tokyo": (-32400, -32400, 0, ("JST", "JST")),
    "CST-8": (-28800, -28800, 0, ("CST", "CST")),
    "EST5EDT,M3.2.0,M11.1.0": (18000, 14400, 1, ("EST", "EDT")),
    "EST5EDT4": (18000, 14400, 1, ("EST", "EDT")),
    "<+0330>-3:30": (-12600, -12600, 0, ("+0330", "+0330")),
    "GMT+8": (28800, 28800, 0, ("GMT", "GMT")),
    "UTC": (0, 0, 0, ("UTC", "UTC")),
    "": (0, 0, 0, ("UTC", "UTC")),
}


def zone(name):
    os.environ["TZ"] = name
    time.tzset()


def at(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S %Z %z", time.localtime(seconds))


def names():
    for name, expected in NAMES.items():
        zone(name)
        assert (time.timezone, time.altzone, time.daylight, time.tzname) == expected, name


def shanghai():
    zone("Asia/Shanghai")
    assert at(0) == "1970-01-01 08:00:00 CST +0800"
    assert at(SUMMER) == "2026-07-01 13:00:00 CST +0800"
    assert at(600000000) == "1989-01-05 18:40:00 CST +0800"
    assert at(648000000) == "1990-07-15 09:00:00 CDT +0900"
    assert at(-2208988801) == "1900-01-01 08:05:42 LMT +0805"
    assert time.ctime(0) == "Thu Jan  1 08:00:00 1970" and time.localtime(0).tm_gmtoff == 28800
    assert time.mktime((2026, 7, 1, 13, 0, 0, 0, 0, -1)) == SUMMER
    assert datetime.datetime.fromtimestamp(0) == datetime.datetime(1970, 1, 1, 8)
    assert datetime.datetime(1970, 1, 1, 8).timestamp() == 0
    assert datetime.date.fromtimestamp(16 * 3600) == datetime.date(1970, 1, 2)
    local = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).astimezone()
    assert (local.hour, local.tzname(), local.utcoffset()) == (8, "CST", datetime.timedelta(hours=8))
    assert datetime.datetime(2026, 1, 1).astimezone(datetime.UTC).hour == 16
    now, utc = datetime.datetime.now(), datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert datetime.timedelta(hours=7.9) < now - utc < datetime.timedelta(hours=8.1)
    assert datetime.date.today() in (now.date(), datetime.datetime.now().date())
    assert time.strftime("%H") in (f"{now:%H}", f"{datetime.datetime.now():%H}")
    assert email.utils.formatdate(0, localtime=True) == "Thu, 01 Jan 1970 08:00:00 +0800"
    assert email.utils.localtime().utcoffset() == datetime.timedelta(hours=8)
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    record = logging.makeLogRecord({"msg": "m", "created": 0.0, "msecs": 0.0})
    handler.emit(record)
    assert out.getvalue() == "1970-01-01 08:00:00,000 m\n"
    row = sqlite3.connect(":memory:").execute(
        "SELECT datetime(0, 'unixepoch', 'localtime'), datetime('2026-01-01 08:00', 'utc'), "
        "date('2025-12-31 20:00', 'localtime', '+1 month'), strftime('%H', '2026-01-01 00:00', 'localtime')"
    )
    assert row.fetchone() == ("1970-01-01 08:00:00", "2026-01-01 00:00:00", "2026-02-01", "08")


def new_york():
    for name in ("America/New_York", "EST5EDT,M3.2.0,M11.1.0", "EST5EDT"):
        zone(name)
        assert at(SUMMER) == "2026-07-01 01:00:00 EDT -0400", name
        assert at(WINTER) == "2026-01-01 01:00:00 EST -0500", name
        # The hour that is skipped, the hour that is there twice, and times that say they are of the other kind.
        for flag, values in {
            -1: (1772955000, 1793514600, 1782883800, 1767249000),
            0: (1772955000, 1793514600, 1782887400, 1767249000),
            1: (1772951400, 1793511000, 1782883800, 1767245400),
        }.items():
            days = ((3, 8, 2), (11, 1, 1), (7, 1, 1), (1, 1, 1))
            found = [time.mktime((2026, month, day, hour, 30, 0, 0, 0, flag)) for month, day, hour in days]
            assert tuple(found) == values, (name, flag, found)
        one = datetime.datetime(2026, 11, 1, 1, 30)
        assert (one.timestamp(), one.replace(fold=1).timestamp()) == (1793511000, 1793514600)
        # Far ahead, by the rule.
        assert at(4102444800) == "2099-12-31 19:00:00 EST -0500"
        assert at(16725243600) == "2500-01-01 00:00:00 EST -0500", at(16725243600)
        assert at(16740885600) == "2500-07-01 02:00:00 EDT -0400", at(16740885600)
        assert at(253370782800) == "9999-01-01 00:00:00 EST -0500", at(253370782800)
    assert time.strftime("%Z", (2026, 1, 1, 0, 0, 0, 0, 1, 0)) == "EST"


def unknown():
    for name in ("Asia/Beijing", "CST", "nonsense/../..", "EST5EDT,M3", "é" * 10):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            zone(name)
        assert len(caught) == 1 and f"TZ={name} is not a time zone" in str(caught[0].message), name
        assert time.tzname == ("UTC", "UTC") and at(0) == "1970-01-01 00:00:00 UTC +0000"


def run():
    names()
    shanghai()
    new_york()
    unknown()
    zone("Asia/Tokyo")
    assert "TZTABLE" not in os.environ
    del os.environ["TZ"]
    # As natively, only tzset() looks at the variable again.
    assert time.localtime(0).tm_hour == 9
    time.tzset()
    assert time.localtime(0).tm_hour == 0 and time.tzname == ("UTC", "UTC")
    return "local"
