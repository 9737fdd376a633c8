# expect: succeeded hosts=http env=ICS_URL=http://127.0.0.1:{http}/calendar.ics args='{"today": "2026-03-31"}' stdout='09:00 Stand-up, daily' stdout='18:00 Release call' result='{"today": 2, "all_day": ["Ärztin – Termin mit einem sehr langen Titel, der in der Datei umbrochen ist und danach weitergeht"]}'
# /// script
# dependencies = ["icalendar", "requests", "python-dateutil"]
# ///
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo
import os

import requests
from dateutil.rrule import rrulestr
from icalendar import Calendar

TZ = ZoneInfo("Europe/Berlin")


def occurrences(event, first, last):
    start = event.get("dtstart").dt
    if not isinstance(start, datetime):
        if first.date() <= start <= last.date():
            yield start
        return
    start = start.astimezone(TZ)
    rule = event.get("rrule")
    if rule is None:
        if first <= start < last:
            yield start
        return
    for at in rrulestr(rule.to_ical().decode(), dtstart=start.replace(tzinfo=None)):
        at = at.replace(tzinfo=TZ)
        if first <= at < last:
            yield at


def run(today=None):
    day = date.fromisoformat(today) if today else datetime.now(TZ).date()
    first = datetime.combine(day, time.min, TZ)
    cal = Calendar.from_ical(requests.get(os.environ["ICS_URL"]).content)
    found, all_day = [], []
    for event in cal.walk("VEVENT"):
        for at in occurrences(event, first, first + timedelta(days=1)):
            if isinstance(at, datetime):
                found.append((at, str(event.get("summary"))))
            else:
                all_day.append(event["SUMMARY"])
    for at, what in sorted(found):
        print(f"{at:%H:%M} {what}")
    return {"today": len(found), "all_day": all_day}
