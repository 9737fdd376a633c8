"""Local time by `TZ`, as `time.tzset` sets it.

The C library of the interpreter has no zones. It looks for a table in memory instead (`corrections.py` beside the
harness): an environment variable holds the table's address. The table is made here of a zone of `zoneinfo`, or of a text
as POSIX has it, only when a script or its environment sets TZ. Then all of `time` and `datetime` follow it.
"""

from .kept import __builtins__

import os as _os
import posix as _posix
import struct

from . import stdlib

TABLE = b"TZTABLE"

_FIRST, _NEVER = -(1 << 63), (1 << 63) - 1
_DAY = 86400
_PERIOD = 400
"""Years after which dates and weekdays come again. Rules that go on for ever are written out for so many."""
_HOUR = 3600
_LONG = 17 * 365 * _DAY
"""What says that it is summer time, in an entry that lasts longer, is an hour off; else it is as in the entry beside (the
bound is glibc's)."""
_UNIVERSAL = frozenset(("UTC", "GMT", "UCT", "Z"))
_DATA = bytes.__basicsize__ - 1
"""Where the content of a bytes object begins, from its address."""

_environ = _os.environ
_known = _environ._data
_kept = []
"""The table in use: its memory must stay."""


def adapt_time(time, library):
    """Adds `tzset`."""
    global _time, _library
    _time, _library = time, library
    tzset.__module__ = "time"
    time.tzset = tzset


def adapt_os(os):
    """Keeps the table's variable out of `os.environ`."""
    if reload := getattr(os, "reload_environ", None):

        def reload_environ():
            reload()
            _known.pop(TABLE, None)

        reload_environ.__module__ = "os"
        os.reload_environ = reload_environ


def tzset():
    if said := _set_zone():
        import warnings

        warnings.warn(said, RuntimeWarning, stacklevel=2)


def begin():
    """Follows the TZ that a run was started with; a sentence if that names no zone."""
    return _set_zone() if b"TZ" in _known else None


def is_set():
    """Whether local time is another than UTC."""
    return bool(_kept)


def _set_zone():
    name = _environ.get("TZ", "").removeprefix(":")
    universal = not name or name.upper() in _UNIVERSAL
    entries = None if universal else _entries(name)
    if entries is None:
        _posix.unsetenv(TABLE)
        _kept.clear()
    else:
        table = _table(*entries)
        _posix.putenv(TABLE, b"%d" % (id(table[0]) + _DATA))
        _kept[:] = table
    _set_names(_time)
    if universal or entries is not None:
        return None
    return f"TZ={name} is not a time zone: local time is UTC; use a name such as Asia/Shanghai, or a text such as CST-8"


def _set_names(time):
    """`timezone`, `altzone`, `daylight` and `tzname`, as CPython finds them: by two days of this year."""
    year = (365 * 24 + 6) * 3600
    january = int(time.time()) // year * year
    one, other = time.localtime(january), time.localtime(january + year // 2)
    # Summer time is in January in the south.
    winter, summer = (other, one) if one.tm_gmtoff > other.tm_gmtoff else (one, other)
    time.timezone, time.altzone = -winter.tm_gmtoff, -summer.tm_gmtoff
    time.daylight = int(winter.tm_gmtoff != summer.tm_gmtoff)
    time.tzname = winter.tm_zone, summer.tm_zone


def _entries(name):
    """The entries of a zone and the end of them; None if there is no such zone.

    An entry is when it begins, the offset from UTC in seconds, whether it is summer time, and its name.
    """
    import io

    from zoneinfo import _common

    try:
        data = _library.get_data(f"{stdlib.ROOT}/tzdata/zoneinfo/{name}")
        indices, times, offsets, summer, names, rule = _common.load_data(io.BytesIO(data))
    except (FileNotFoundError, ValueError):
        return _by_rule([], name, 1900)
    kinds = [(int(offset), int(is_summer), name) for offset, is_summer, name in zip(offsets, summer, names)]
    before = next((kind for kind in kinds if not kind[1]), kinds[0])
    entries = [(_FIRST, *before), *((at, *kinds[index]) for at, index in zip(times, indices))]
    if rule is not None and b"," in rule:
        year = 1970 + entries[-1][0] // 31556952 if times else 1900
        return _by_rule(entries, rule.decode(), year)
    return entries, _NEVER


def _by_rule(entries, text, first_year):
    """Adds what a text of POSIX says (`CST-8`, `EST5EDT,M3.2.0,M11.1.0`); None if it is not one."""
    from zoneinfo import _zoneinfo

    plain, comma, _ = text.partition(",")
    if not any(letter.isdigit() for letter in plain):
        return None
    try:
        rule = _zoneinfo._parse_tz_str(text)
    except ValueError:
        try:
            # Without its days, summer time is that of the United States.
            rule = None if comma else _zoneinfo._parse_tz_str(text + ",M3.2.0,M11.1.0")
        except ValueError:
            rule = None
        if rule is None:
            return None
    if not isinstance(rule, _zoneinfo._TZStr):
        return [(_FIRST, *_kind(rule, 0))], _NEVER
    winter, summer = _kind(rule.std, 0), _kind(rule.dst, 1)
    entries = entries or [(_FIRST, *winter)]
    last = entries[-1][0]
    # The days of a year follow from its first weekday and its length.
    alike = {}
    # One year beyond the period, so that all of the last period is by the rule.
    for year in range(first_year, first_year + _PERIOD + 3):
        begins = _zoneinfo._post_epoch_days_before_year(year) + 1
        key = begins % 7, _zoneinfo.calendar.isleap(year)
        if key not in alike:
            alike[key] = [local - begins * _DAY for local in rule.transitions(year)]
        start, end = alike[key]
        changes = [
            (begins * _DAY + start - winter[0], *summer),
            (begins * _DAY + end - summer[0], *winter),
        ]
        entries += [change for change in sorted(changes) if change[0] > last]
    return entries, (_zoneinfo._post_epoch_days_before_year(first_year + _PERIOD + 2) + 1) * _DAY


def _kind(found, is_summer):
    return int(found.utcoff.total_seconds()), is_summer, found.tzname


def _table(entries, end):
    """The table, and what it points to.

    Its end and the number of entries; then of each: when it begins in UTC and in local time, its offset, that of the
    other of summer and winter time, whether it is summer time, and the address of its name.
    """
    names = {}
    text = bytearray()
    for *_, name in entries:
        if name not in names:
            names[name] = len(text)
            text += name.encode("utf-8", "surrogateescape") + b"\0"
    text = bytes(text)
    address = id(text) + _DATA
    values = []
    count = len(entries)
    for number, (at, offset, summer, name) in enumerate(entries):
        other = offset - _HOUR if summer else offset + _HOUR
        until = entries[number + 1][0] if number + 1 < count else _NEVER
        if until - at <= _LONG:
            for near in (number - 1, number + 1):
                if 0 <= near < count and entries[near][2] != summer:
                    other = entries[near][1]
                    break
        values += (at, max(at + offset, _FIRST), offset, other, summer, address + names[name])
    return struct.pack("<qii" + "qqiiiI" * count, end, count, 0, *values), text
