# expect: succeeded result='"UTC"'
# Whatever the host's zone is, until the script sets TZ and calls time.tzset().
import datetime
import os
import time


def run():
    os.environ["TZ"] = "Asia/Tokyo"
    assert time.timezone == 0 and not time.daylight
    assert time.localtime(0)[:6] == (1970, 1, 1, 0, 0, 0)
    now = datetime.datetime.now()
    assert now.astimezone().utcoffset() == datetime.timedelta(0)
    assert abs(now - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)) < datetime.timedelta(seconds=5)
    return "UTC"
