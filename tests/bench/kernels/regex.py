import re


def run():
    text = "2026-01-05 10:00:01 INFO request id=17 took=31ms\n" * 4_000
    pattern = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\S+) (\w+) .* took=(\d+)ms")
    return sum(int(match[6]) for match in pattern.finditer(text))
