# expect: succeeded result='{"shanghai": "+08:00", "berlin": ["+01:00", "+02:00"], "lord_howe": ["+11:00", "+10:30"], "many": true}'
# zoneinfo has its data.
import datetime
import zoneinfo


def offset(name, month):
    return datetime.datetime(2026, month, 15, 12, tzinfo=zoneinfo.ZoneInfo(name)).isoformat()[-6:]


def run():
    return {
        "shanghai": offset("Asia/Shanghai", 7),
        "berlin": [offset("Europe/Berlin", 1), offset("Europe/Berlin", 7)],
        "lord_howe": [offset("Australia/Lord_Howe", 1), offset("Australia/Lord_Howe", 7)],
        "many": len(zoneinfo.available_timezones()) > 400,
    }
