# expect: succeeded hosts=http env=GITLAB=http://127.0.0.1:{http}/gitlab env=CHAT=http://127.0.0.1:{http}/hook/slack stdin=glpat-test stdout='7 pipelines, 57.1% good' stdout='last good: 905 2026-02-06T09:00:00+00:00' received='hook slack: {"text": ":red_circle: pipeline 906 failed"}'
import asyncio
import http.client
import json
import os
import statistics
import sys
import urllib.error
import urllib.request
from datetime import datetime, timezone
from enum import Enum
from types import SimpleNamespace

API = os.environ["GITLAB"] + "/api/v4"
TOKEN = sys.stdin.readline().strip() or input("token: ")


class Status(str, Enum):
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"

    @classmethod
    def _missing_(cls, value):
        print("new status", value, file=sys.stderr)
        return cls.FAILED


def pages(path):
    page = "1"
    while page:
        req = urllib.request.Request(f"{API}{path}?per_page=3&page={page}", headers={"PRIVATE-TOKEN": TOKEN})
        try:
            with urllib.request.urlopen(req, timeout=10) as resp:
                yield from json.load(resp, object_hook=lambda d: SimpleNamespace(**d))
                page = resp.headers["X-Next-Page"]
        except urllib.error.HTTPError as e:
            sys.exit(f"gitlab: {e.code} {e.reason} {e.read()}")


async def notify(text):
    loop = asyncio.get_running_loop()
    data = json.dumps({"text": text}).encode()
    req = urllib.request.Request(os.environ["CHAT"], data, {"Content-Type": "application/json"}, method="POST")
    resp = await loop.run_in_executor(None, urllib.request.urlopen, req)
    assert resp.status == http.client.OK
    resp.close()


async def main():
    runs = list(pages("/projects/7/pipelines"))
    good = [p for p in runs if Status(p.status) is Status.SUCCESS]
    print(f"{len(runs)} pipelines, {len(good) / len(runs):.1%} good")
    last = max(good, key=lambda p: p.id)
    print("last good:", last.id, datetime.fromisoformat(last.updated_at).astimezone(timezone.utc).isoformat())
    async with asyncio.TaskGroup() as tg:
        for p in runs:
            if Status(p.status) is Status.FAILED and p.id > last.id:
                tg.create_task(notify(f":red_circle: pipeline {p.id} failed"))


if __name__ == "__main__":
    if os.name == "nt":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    asyncio.run(main())
