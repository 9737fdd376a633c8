"""APScheduler 3 with its SQLAlchemy store on SQLite: how late 100 fires a second start, and a start with 10,000 jobs.
Prints one JSON document."""

import json
import pathlib
import sys
import time

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

folder, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
DEFAULTS = {"misfire_grace_time": None, "coalesce": False, "max_instances": 100}


def tick():
    return time.time()


def scheduler_on(name):
    store = SQLAlchemyJobStore(f"sqlite:///{folder / name}")
    return BackgroundScheduler(jobstores={"default": store}, job_defaults=DEFAULTS, timezone="UTC")


def main():
    late = []
    scheduler = scheduler_on("fires.db")
    scheduler.add_listener(lambda event: late.append(event.retval - event.scheduled_run_time.timestamp()), EVENT_JOB_EXECUTED)
    scheduler.start(paused=True)
    for n in range(100):
        scheduler.add_job(tick, "interval", seconds=1, id=f"s{n}")
        time.sleep(0.01)
    scheduler.resume()
    time.sleep(seconds)
    scheduler.shutdown()
    late.sort()
    # Both sides have their first second for getting under way.
    expected = 100 * (seconds - 1)

    many = scheduler_on("many.db")
    many.start(paused=True)
    for n in range(10_000):
        many.add_job(tick, "cron", month=1, day=1, hour=0, minute=0, id=f"s{n}")
    many.shutdown()
    again = scheduler_on("many.db")
    began = time.perf_counter()
    again.start()
    again.get_jobs()
    start = time.perf_counter() - began
    again.shutdown()
    p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
    print(json.dumps({"p50": p50, "p99": p99, "lost": max(0.0, 1 - len(late) / expected), "start": start}))


main()
