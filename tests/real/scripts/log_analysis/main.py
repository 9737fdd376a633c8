# expect: succeeded stdout='Top paths' stdout='/index.html' stdout='errors: 12.5%' stdout='Done in' stdout='slowest hour: 10:00'
# /// script
# dependencies = ["rich"]
# ///
import gzip
import re
import time
from collections import Counter, defaultdict
from datetime import datetime
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich import print as rprint

LINE = re.compile(
    r'(?P<ip>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>\w+) (?P<path>\S+) [^"]*" (?P<status>\d{3}) (?P<size>\d+|-)'
    r'(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?(?: (?P<took>[\d.]+))?'
)
start = time.perf_counter()
console = Console(width=80)
paths, status, ips = Counter(), Counter(), set()
by_hour = defaultdict(list)
bad = 0

here = Path(__file__).resolve().parent
for file in track(sorted(here.glob("access.log*")), description="reading", console=console):
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", errors="replace") as f:
        for line in f:
            m = LINE.match(line)
            if not m:
                bad += 1
                continue
            paths[m["path"].partition("?")[0]] += 1
            status[m["status"][0] + "xx"] += 1
            ips.add(m["ip"])
            when = datetime.strptime(m["time"], "%d/%b/%Y:%H:%M:%S %z")
            by_hour[when.hour].append(float(m["took"] or 0))

table = Table(title="Top paths", show_lines=False)
table.add_column("Path", style="cyan", no_wrap=True)
table.add_column("Hits", justify="right", style="green")
for path, n in islice(paths.most_common(), 3):
    table.add_row(path, str(n))
console.print(table)
total = sum(status.values())
rprint(f"[bold]visitors[/bold]: {len(ips)}, lines that were no requests: {bad}")
print(f"errors: {(status['4xx'] + status['5xx']) / total:.1%}")
worst = max(by_hour, key=lambda h: sum(by_hour[h]) / len(by_hour[h]))
print(f"slowest hour: {worst:02}:00")
print(f"Done in {time.perf_counter() - start:.3f}s")
