# expect: succeeded result='{"lines": 600, "errors": 60, "slowest": "/api/3", "by_status": {"200": 480, "404": 60, "500": 60}, "p95_ms": 95}'
# A web server's log taken apart with a regular expression.
import collections
import re

LINE = re.compile(r'(?P<ip>[\d.]+) - - \[(?P<at>[^\]]+)\] "(?P<verb>[A-Z]+) (?P<path>\S+) HTTP/1\.\d" (?P<status>\d{3}) (?P<ms>\d+)ms$')


def run():
    log = []
    for number in range(600):
        status = {0: 500, 5: 404}.get(number % 10, 200)
        log.append(f'10.0.{number % 7}.1 - - [03/Feb/2026:12:{number % 60:02}:00 +0000] "GET /api/{number % 4} HTTP/1.1" {status} {number % 100 + 1}ms')
    matches = [LINE.fullmatch(line) for line in log]
    assert all(matches)
    times = collections.defaultdict(list)
    for match in matches:
        times[match["path"]].append(int(match["ms"]))
    every = sorted(int(match["ms"]) for match in matches)
    return {
        "lines": len(matches),
        "errors": sum(match["status"].startswith("5") for match in matches),
        "slowest": max(times, key=lambda path: sum(times[path]) / len(times[path])),
        "by_status": dict(sorted(collections.Counter(match["status"] for match in matches).items())),
        "p95_ms": every[len(every) * 95 // 100 - 1],
    }
