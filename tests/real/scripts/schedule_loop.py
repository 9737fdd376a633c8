# expect: succeeded stdout='tick 3' stdout='nothing left to do' stdout='jobs: 0'
# /// script
# dependencies = ["schedule"]
# ///
# was a daemon on the old box (nohup python schedule_loop.py &), now it just ends when its jobs are done
import datetime
import time

import schedule

count = 0


def catch_exceptions(cancel_on_failure=False):
    def decorator(job_func):
        import functools

        @functools.wraps(job_func)
        def wrapper(*args, **kwargs):
            try:
                return job_func(*args, **kwargs)
            except:
                import traceback
                print(traceback.format_exc())
                if cancel_on_failure:
                    return schedule.CancelJob
        return wrapper
    return decorator


@catch_exceptions(cancel_on_failure=True)
def job(name):
    global count
    count += 1
    print("tick", count, name, datetime.datetime.now().strftime("%H:%M:%S"))
    if count >= 3:
        raise ValueError("enough")


schedule.every(0.1).seconds.do(job, "often").tag("often")
schedule.every().day.at("10:30").do(job, "daily").tag("later")
schedule.every().monday.at("08:00").do(job, "weekly").tag("later")

while True:
    schedule.run_pending()
    if not schedule.get_jobs("often"):
        break
    time.sleep(0.02)
schedule.clear("later")
print("nothing left to do")
print("jobs:", len(schedule.jobs))
