# expect: out_of_fuel|out_of_memory|failed memory=64MiB fuel=8e9 timeout=20s
# A single field of 40 MB that is doubled with every step of parsing. The field limit, memory or fuel ends it.
import csv
import io

csv.field_size_limit(2**31 - 1)
for row in csv.reader(io.StringIO('"' + 'x""' * 15_000_000)):
    csv.writer(io.StringIO()).writerow([row[0] * 10])
