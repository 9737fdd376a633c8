# expect: succeeded hosts=http argv='--server http://127.0.0.1:{http}/jira --format csv' env=JIRA_TOKEN=t0ken stdout='8 issues, 9.00 h' stdout='| Łukasz   |        3 |    3.00 |' stdout='"who","issues","hours"' output=worklog.csv
# /// script
# dependencies = ["requests", "tabulate", "tablib"]
# ///
from __future__ import annotations

import argparse
import os
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Iterator, Optional

import requests
import tablib
from requests.auth import HTTPBasicAuth
from tabulate import tabulate


@dataclass(order=True)
class Person:
    hours: float = 0.0
    who: str = field(default="", compare=False)
    issues: list[str] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True)
class Issue:
    key: str
    summary: str
    assignee: Optional[str]
    seconds: int

    @classmethod
    def from_json(cls, j: dict) -> Issue:
        f = j["fields"]
        return cls(j["key"], f["summary"], (f["assignee"] or {}).get("displayName"), f["timespent"] or 0)


class Jira:
    def __init__(self, server: str, user: str, token: str):
        self.server = server.rstrip("/")
        self.session = requests.Session()
        self.session.auth = HTTPBasicAuth(user, token)
        self.session.params = {"maxResults": 3}

    def search(self, jql: str) -> Iterator[Issue]:
        start = 0
        while True:
            r = self.session.get(self.server + "/rest/api/2/search", params={"jql": jql, "startAt": start})
            r.raise_for_status()
            data = r.json()
            yield from map(Issue.from_json, data["issues"])
            start += len(data["issues"])
            if not data["issues"] or start >= data["total"]:
                return


def parse_args():
    p = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--server", required=True)
    p.add_argument("--user", default="bot")
    p.add_argument("--jql", default="project = OPS AND resolved >= -7d")
    p.add_argument("--format", choices=["csv", "json", "html"], default="json")
    return p.parse_args()


def main():
    args = parse_args()
    jira = Jira(args.server, args.user, os.environ["JIRA_TOKEN"])
    people: dict[str, Person] = defaultdict(Person)
    n = 0
    for n, issue in enumerate(jira.search(args.jql), 1):
        p = people[issue.assignee or "(nobody)"]
        p.who = issue.assignee or "(nobody)"
        p.hours += issue.seconds / 3600
        p.issues.append(issue.key)
    table = sorted(people.values(), reverse=True)
    print(tabulate([[p.who, len(p.issues), p.hours] for p in table], headers=["Who", "Issues", "Hours"], tablefmt="github", floatfmt=".2f"))
    data = tablib.Dataset(headers=["who", "issues", "hours"])
    for p in table:
        row = asdict(p)
        data.append([row["who"], " ".join(row["issues"]), round(row["hours"], 2)])
    text = data.export(args.format, quoting=1) if args.format == "csv" else data.export(args.format)
    print(text)
    with open(f"/output/worklog.{args.format}", "w", newline="", encoding="utf-8") as f:
        f.write(text)
    print(f"{n} issues, {sum(p.hours for p in table):.2f} h")


if __name__ == "__main__":
    main()
