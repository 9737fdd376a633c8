# expect: succeeded result='"UTC"'
# context.now() is aware, in the run's zone; without a schedule that is UTC.
import datetime


def run(context):
    now = context.now()
    assert now.utcoffset() == datetime.timedelta(0)
    assert str(now.tzinfo) in ("UTC", "Etc/UTC"), now.tzinfo
    return str(context.timezone).removeprefix("Etc/")
