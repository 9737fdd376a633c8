# expect: succeeded stdout='removed 4 of 10, 40960 bytes' stdout='archives: 2' stderr='SUCCESS' stderr='100%'
# /// script
# dependencies = ["loguru", "tqdm"]
# ///
import gzip
import os
import shutil
import sys
import time
from pathlib import Path

from loguru import logger
from tqdm import tqdm

ROOT = Path("/tmp/var/log/app")
MAX_AGE = 7 * 24 * 3600

logger.remove()
logger.add(sys.stderr, format="<green>{time:YYYY-MM-DD HH:mm:ss}</green> | <level>{level: <8}</level> | {message}", level="INFO")
logger.add("/tmp/cleanup_{time:YYYYMMDD}.log", rotation="4 KB", retention=5, compression="gz", encoding="utf-8", enqueue=False)

ROOT.mkdir(parents=True)
now = time.time()
for i in range(10):
    p = ROOT / f"app.{i}.log"
    p.write_bytes(b"x" * 10240)
    os.utime(p, (now - i * 86400 - i * 20000, now - i * 86400 - i * 20000))


@logger.catch(reraise=True)
def clean():
    removed = size = 0
    for p in tqdm(sorted(ROOT.glob("*.log")), desc="cleanup", unit="file"):
        st = p.stat()
        age = now - st.st_mtime
        if age > MAX_AGE:
            removed += 1
            size += st.st_size
            p.unlink()
            logger.debug("removed {} ({:.1f} days)", p.name, age / 86400)
        elif age > 4 * 86400:
            with p.open("rb") as src, gzip.open(str(p) + ".gz", "wb") as dst:
                shutil.copyfileobj(src, dst)
            p.unlink()
    return removed, size


removed, size = clean()
print(f"removed {removed} of 10, {size} bytes")
print("archives:", len(list(ROOT.glob("*.gz"))))
for i in range(100):
    logger.debug("filler {} {}", i, "." * 60)
logger.success("done: {n} logs of ours", n=len(list(Path("/tmp").glob("cleanup_*"))))
