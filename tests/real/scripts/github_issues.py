# expect: succeeded hosts=http env=GITHUB_TOKEN=ghp_test argv='acme/tea --api http://127.0.0.1:{http} --label bug -o /output/issues.csv' stdout='57 issues in 3 pages, 5 pull requests left out' stdout='ann' output=issues.csv stderr='INFO:gh:page 3, 57 left'
# /// script
# dependencies = ["requests"]
# ///
# The limit that the third page tells of is 60 - 3.
import argparse
import csv
import logging
import os
import sys
from collections import Counter
from datetime import datetime, timezone

import requests

logging.basicConfig(level=logging.INFO)
logging.getLogger("urllib3").setLevel(logging.WARNING)
log = logging.getLogger("gh")


def get_all(session, url, params):
    page = 0
    while url:
        r = session.get(url, params=params)
        if r.status_code == 403 and r.headers.get("X-RateLimit-Remaining") == "0":
            raise SystemExit("rate limit")
        r.raise_for_status()
        page += 1
        log.info("page %d, %s left", page, r.headers["x-ratelimit-remaining"])
        yield page, r.json()
        url = r.links.get("next", {}).get("url")
        params = None


def main(argv=None):
    parser = argparse.ArgumentParser(description="Issues of a repository as CSV")
    parser.add_argument("repo", help="owner/name")
    parser.add_argument("--api", default="https://api.github.com")
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("-o", "--output", type=argparse.FileType("w", encoding="utf-8"), default="-")
    args = parser.parse_args(argv)

    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        parser.error("GITHUB_TOKEN is not set")
    session = requests.Session()
    session.headers["Authorization"] = "token " + token

    writer = csv.writer(args.output, quoting=csv.QUOTE_MINIMAL)
    writer.writerow(["number", "title", "author", "age"])
    who = Counter()
    pulls = total = 0
    now = datetime.now(timezone.utc)
    for page, items in get_all(session, f"{args.api}/repos/{args.repo}/issues", {"state": "all", "per_page": 20}):
        for issue in items:
            total += 1
            if issue.get("pull_request") is not None:
                pulls += 1
                continue
            if args.label and not {l["name"] for l in issue["labels"]} & set(args.label):
                continue
            created = datetime.fromisoformat(issue["created_at"].replace("Z", "+00:00"))
            who[issue["user"]["login"]] += 1
            writer.writerow([issue["number"], issue["title"], issue["user"]["login"], (now - created).days])
    print(f"{total} issues in {page} pages, {pulls} pull requests left out")
    for name, n in who.most_common(3):
        print(f"{name:>10} {'#' * n}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
