# expect: succeeded stdout='removed backup-20260101.tar.gz' stdout='-rw-r--r-- conf/app.ini' stdout='-rwxr-xr-x bin/start.sh' stdout='integrity ok' output=latest.zip output=backup-20260107.tar.gz
#!/usr/bin/env python3
# nightly backup. keeps 5. run from cron as user backup
import glob
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import date, timedelta
from pathlib import Path

KEEP = 5
DEST = Path(os.environ.get('BACKUP_DIR', '/output'))
SRC = Path(tempfile.mkdtemp(prefix='srv-'))

# something to back up
(SRC / 'conf').mkdir()
(SRC / 'bin').mkdir()
(SRC / 'conf/app.ini').write_text('[db]\nhost=localhost\n')
(SRC / 'conf/app.ini~').write_text('old')
(SRC / 'bin/start.sh').write_text('#!/bin/sh\nexec app\n')
os.chmod(SRC / 'bin/start.sh', 0o755)
(SRC / '数据.txt').write_bytes(os.urandom(20000))


def exclude(info):
    if info.name.endswith('~'):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = 'root'
    return info


os.makedirs(DEST, exist_ok=True)
day = date(2026, 1, 1)
for i in range(7):
    name = DEST / f'backup-{day + timedelta(days=i):%Y%m%d}.tar.gz'
    with tarfile.open(name, 'w:gz', compresslevel=6) as tar:
        tar.add(SRC, arcname='.', filter=exclude)
    stamp = (1767225600 + i * 86400)
    os.utime(name, (stamp, stamp))

# rotate, oldest first
files = sorted(glob.glob(str(DEST / 'backup-*.tar.gz')), key=os.path.getmtime)
while len(files) > KEEP:
    f = files.pop(0)
    os.remove(f)
    print('removed', os.path.basename(f))

# verify newest
work = tempfile.mkdtemp()
with tarfile.open(files[-1]) as tar:
    names = tar.getnames()
    assert not any(n.endswith('~') for n in names), names
    tar.extractall(work, filter='data')
for root, dirs, fs in os.walk(work):
    for f in sorted(fs):
        p = os.path.join(root, f)
        print(stat.filemode(os.stat(p).st_mode), os.path.relpath(p, work))
if Path(work, '数据.txt').read_bytes() != (SRC / '数据.txt').read_bytes():
    sys.exit('BACKUP IS BROKEN')

with zipfile.ZipFile(DEST / 'latest.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    for p in sorted(SRC.rglob('*')):
        z.write(p, p.relative_to(SRC))
with zipfile.ZipFile(DEST / 'latest.zip') as z:
    assert z.testzip() is None
    assert (z.getinfo('bin/start.sh').external_attr >> 16) & 0o777 == 0o755
print('integrity ok')
shutil.rmtree(work)
shutil.rmtree(SRC)
total, used, free = shutil.disk_usage('/tmp')
print('free: %d MiB' % (free >> 20))
