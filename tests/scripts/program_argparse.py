# expect: succeeded stdout='report for ACME: 3 days, verbose' argv='ACME --days 3 -v'
# A command line in script mode.
import argparse

parser = argparse.ArgumentParser(description="Print a report.")
parser.add_argument("symbol")
parser.add_argument("--days", type=int, default=1)
parser.add_argument("-v", "--verbose", action="store_true")
options = parser.parse_args()
print(f"report for {options.symbol}: {options.days} days{', verbose' if options.verbose else ''}")
