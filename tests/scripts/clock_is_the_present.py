# expect: succeeded result='true'
# The wall clock was not frozen with the interpreter, and the monotonic one goes forward.
import datetime
import time


def run():
    assert datetime.date.today().year >= 2026
    first = time.monotonic()
    time.sleep(0.02)
    assert 0.015 <= time.monotonic() - first < 5
    return abs(time.time() - datetime.datetime.now(datetime.UTC).timestamp()) < 1
