"""Hands the jobs of an APScheduler 3 scheduler over to Cronbox: `hand_over(scheduler, "http://127.0.0.1:8080", script_of)`, where
`script_of(job)` names the Cronbox script that stands for a job's function."""

import json
import urllib.request


def trigger_of(trigger):
    kind = type(trigger).__name__
    if kind == "CronTrigger":
        fields = {field.name: str(field) for field in trigger.fields if not field.is_default}
        return {"type": "cron", **fields, **bounds(trigger)}
    if kind == "IntervalTrigger":
        return {"type": "interval", "seconds": int(trigger.interval.total_seconds()), **bounds(trigger)}
    if kind == "DateTrigger":
        return {"type": "date", "run_date": trigger.run_date.isoformat()}
    if kind in ("AndTrigger", "OrTrigger"):
        return {"type": kind[:-7].lower(), "triggers": [trigger_of(one) for one in trigger.triggers]}
    raise ValueError(f"{kind} has to be written by hand")


def bounds(trigger):
    dates = {name: getattr(trigger, name).isoformat() for name in ("start_date", "end_date") if getattr(trigger, name)}
    jitter = {"jitter": trigger.jitter} if trigger.jitter else {}
    return {"timezone": str(trigger.timezone), **dates, **jitter}


def hand_over(scheduler, server, script_of):
    for job in scheduler.get_jobs():
        asked = {"script": script_of(job), "trigger": trigger_of(job.trigger), "title": job.name, "args": job.kwargs or list(job.args),
                 "coalesce": job.coalesce, "max_instances": job.max_instances, "misfire_grace_time": job.misfire_grace_time,
                 "paused": job.next_run_time is None}
        request = urllib.request.Request(f"{server}/v1/schedules/{job.id}", json.dumps(asked).encode(), method="PUT")
        with urllib.request.urlopen(request) as answer:
            print(json.load(answer)["text"])
