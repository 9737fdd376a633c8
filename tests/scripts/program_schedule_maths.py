# expect: succeeded result='{"gap": "2026-03-29T03:30:00+02:00", "fold": ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"], "last_fridays": ["2026-01-30", "2026-02-27", "2026-03-27"], "shanghai": "2026-01-05T01:00:00+00:00", "iso_week": [2026, 53]}'
# Dates, zones, both changes of the clock, calendars.
import calendar
import datetime
import zoneinfo


def run():
    berlin, utc = zoneinfo.ZoneInfo("Europe/Berlin"), datetime.UTC
    missing = datetime.datetime(2026, 3, 29, 2, 30, tzinfo=berlin)
    twice = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    fridays = []
    for month in (1, 2, 3):
        day = max(week[calendar.FRIDAY] for week in calendar.monthcalendar(2026, month))
        fridays.append(datetime.date(2026, month, day))
    opening = datetime.datetime(2026, 1, 5, 9, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai"))
    assert (twice.replace(fold=1).astimezone(utc) - twice.astimezone(utc)) == datetime.timedelta(hours=1)
    return {
        "gap": missing.astimezone(utc).astimezone(berlin),
        "fold": [twice, twice.replace(fold=1)],
        "last_fridays": fridays,
        "shanghai": opening.astimezone(utc),
        "iso_week": list(datetime.date(2027, 1, 3).isocalendar()[:2]),
    }
