# expect: succeeded stdout='OK /tmp' stdout='largest: 3000 b.bin' stdin='/tmp\n/output\n' stdout='2 checked'
# Written on Windows: a mark at the beginning, and lines that end as they do there.
import os, sys, shutil, platform, getpass, socket, subprocess
from time import strftime

print('Report of', platform.node() or socket.gethostname(), 'by', getpass.getuser(), strftime('%Y-%m-%d'))
n = 0
for line in sys.stdin:
    path = line.strip()
    if not path:
        continue
    total, used, free = shutil.disk_usage(path)
    pct = used / total * 100 if total else 0
    if pct > 90:
        print('WARNING', path, '%.1f%%' % pct)
    else:
        print('OK', path, '%.1f%%' % pct)
    n += 1
for name, size in (('a.bin', 1000), ('b.bin', 3000), ('c.bin', 20)):
    with open(os.path.join(os.environ['TMPDIR'], name), 'wb') as f:
        f.truncate(size)
files = []
for root, dirs, names in os.walk('/tmp'):
    for name in names:
        files.append((os.path.getsize(os.path.join(root, name)), name))
files.sort(reverse=True)
print('largest:', *files[0])
print(n, 'checked')
