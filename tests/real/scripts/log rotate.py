# expect: succeeded stdout='app.log.1.gz app.log.2.gz app.log.3.gz' stdout='current -> app.log' stdout='12 errors, first at 2026-03-03 00:00:00' output=errors.csv
# rotate by hand, because the box has no logrotate
import csv, gzip, os, re, shutil, sys, datetime

DIR = '/tmp/logs'
KEEP = 3
os.path.isdir(DIR) or os.makedirs(DIR)
LOG = os.path.join(DIR, 'app.log')
start = datetime.datetime(2026, 3, 1)
for day in range(5):
    with open(LOG, 'w') as f:
        for n in range(20):
            t = start + datetime.timedelta(days=day, minutes=n)
            print('%s,%03d [%s] worker-%d: %s' % (t, n, 'ERROR' if n % 5 == 0 else 'INFO', n % 3, 'failed after %dms' % (n * 7)), file=f)
    # app.log.2.gz -> app.log.3.gz ...
    for i in range(KEEP, 0, -1):
        old = LOG + '.%d.gz' % i
        if os.path.exists(old):
            if i == KEEP:
                os.remove(old)
            else:
                os.rename(old, LOG + '.%d.gz' % (i + 1))
    with open(LOG, 'rb') as src, gzip.open(LOG + '.1.gz', 'wb', 9) as dst:
        shutil.copyfileobj(src, dst)
    shutil.copystat(LOG, LOG + '.1.gz')
    open(LOG, 'w').close()
print(*sorted(f for f in os.listdir(DIR) if f.endswith('.gz')))
cur = os.path.join(DIR, 'current')
if os.path.lexists(cur):
    os.unlink(cur)
os.symlink('app.log', cur)
print('current ->', os.readlink(cur))

errors = []
for i in range(KEEP, 0, -1):
    with gzip.open(LOG + '.%d.gz' % i, 'rt') as f:
        for line in f:
            m = re.match(r'(\S+ \S+),\d+ \[ERROR\] (\S+): (.*)', line)
            if m: errors.append(m.groups())
with open('/output/errors.csv', 'w', newline='') as f:
    csv.writer(f).writerows(errors)
print(len(errors), 'errors, first at', min(errors)[0])
