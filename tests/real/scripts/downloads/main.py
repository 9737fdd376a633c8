# expect: succeeded hosts=http env=MIRROR=http://127.0.0.1:{http}/download stdout='data.csv.gz OK' stdout='readme.txt OK' stdout='resumed at 1000' stdout='5000 rows, sum 24995000' received='dav backup/data.csv.gz: ' output=bundle.tar.xz stderr='100%'
# /// script
# dependencies = ["requests", "tqdm"]
# ///
import bz2, gzip, hashlib, io, lzma, os, sys, csv, shutil, tarfile
import requests
from tqdm.auto import tqdm
from hash_util import sha256sum

MIRROR = os.environ['MIRROR']
DIR = '/tmp/mirror'
if not os.path.isdir(DIR): os.mkdir(DIR)
s = requests.Session()

sums = {}
for line in s.get(MIRROR + '/SHA256SUMS').iter_lines(decode_unicode=True):
    digest, name = line.split(None, 1)
    sums[name.strip()] = digest

def download(name):
    path = os.path.join(DIR, name + '.part')
    have = os.path.getsize(path) if os.path.exists(path) else 0
    headers = {'Range': 'bytes=%d-' % have} if have else {}
    with s.get(MIRROR + '/' + name, stream=True, headers=headers) as r:
        r.raise_for_status()
        if r.status_code == 206: print('resumed at', have)
        total = int(r.headers.get('content-length', 0))
        with open(path, 'ab' if r.status_code == 206 else 'wb') as f, tqdm(total=total, unit='B', unit_scale=True, desc=name, file=sys.stderr) as bar:
            for chunk in r.iter_content(chunk_size=4096):
                f.write(chunk)
                bar.update(len(chunk))
    os.replace(path, os.path.join(DIR, name))

# the first thousand bytes came yesterday
with s.get(MIRROR + '/data.csv.gz', stream=True) as r:
    open(DIR + '/data.csv.gz.part', 'wb').write(r.raw.read(1000))

for name in sums:
    download(name)
    good = sha256sum(os.path.join(DIR, name)) == sums[name]
    print(name, 'OK' if good else 'FAILED')
    if not good: sys.exit(2)

n = total = 0
with gzip.open(DIR + '/data.csv.gz', 'rt', encoding='utf-8', newline='') as f:
    for row in csv.reader(f, delimiter=';'):
        n += 1
        total += int(row[2].split(',')[0])
print('%d rows, sum %d' % (n, total))

with tarfile.open('/output/bundle.tar.xz', 'w:xz') as t:
    t.add(DIR, 'mirror')
raw = open(DIR + '/data.csv.gz', 'rb')
r = s.put(MIRROR.replace('/download', '/dav') + '/backup/data.csv.gz', data=raw, auth=('dav', 'pässword'.encode()))
raw.close()
assert r.status_code == 201, r.status_code
text = gzip.decompress(open(DIR + '/data.csv.gz', 'rb').read())
assert bz2.decompress(bz2.compress(text)) == text == lzma.decompress(lzma.compress(text))
print(len(lzma.compress(text)), len(bz2.compress(text)), 'bytes by xz and bzip2')
shutil.rmtree(DIR, ignore_errors=True)
