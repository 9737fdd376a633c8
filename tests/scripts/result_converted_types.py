# expect: succeeded result='{"date": "2026-02-28", "time": "09:30:00", "naive": "2026-02-28T09:30:00", "aware": "2026-02-28T09:30:00+01:00", "decimal": "12.50", "uuid": "12345678-1234-5678-1234-567812345678", "tuple": [1, [2, 3]], "set": [5], "frozenset": ["x"]}'
# What has one obvious JSON form.
import datetime
import decimal
import uuid


def run():
    zone = datetime.timezone(datetime.timedelta(hours=1))
    return {
        "date": datetime.date(2026, 2, 28),
        "time": datetime.time(9, 30),
        "naive": datetime.datetime(2026, 2, 28, 9, 30),
        "aware": datetime.datetime(2026, 2, 28, 9, 30, tzinfo=zone),
        "decimal": decimal.Decimal("12.50"),
        "uuid": uuid.UUID("12345678123456781234567812345678"),
        "tuple": (1, (2, 3)),
        "set": {5},
        "frozenset": frozenset("x"),
    }
