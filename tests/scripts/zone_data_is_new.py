# expect: succeeded result='["-08:00", "-07:00", "-07:00", "-07:00"]'
# The rules of release 2026f: Vancouver stays on -07:00 from 2026 on, which releases of 2025 do not know.
import datetime
import zoneinfo


def run():
    zone = zoneinfo.ZoneInfo("America/Vancouver")
    days = [(2026, 1), (2026, 7), (2026, 12), (2027, 1)]
    return [datetime.datetime(year, month, 1, 12, tzinfo=zone).isoformat()[-6:] for year, month in days]
