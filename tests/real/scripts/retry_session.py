# expect: succeeded hosts=http,closed env=API=http://127.0.0.1:{http} env=DEAD=http://127.0.0.1:{closed} stdout="{'ok': True, 'tries': 3}" stdout='gave up' stdout='rotated: 3 files' stderr='ERROR sync: Max retries exceeded' stderr='WARNING urllib3.connectionpool: Retrying'
# /// script
# dependencies = ["requests"]
# ///
import logging
import logging.handlers
import os
import pathlib
import sys

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

LOG_DIR = pathlib.Path(os.environ.get("LOG_DIR", "/tmp/logs"))
LOG_DIR.mkdir(parents=True, exist_ok=True)

logger = logging.getLogger("sync")
root = logging.getLogger()
root.setLevel(logging.INFO)
fmt = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
_fh = logging.handlers.RotatingFileHandler(LOG_DIR / "sync.log", maxBytes=2000, backupCount=2, encoding="utf-8")
_fh.setFormatter(fmt)
_sh = logging.StreamHandler()
_sh.setFormatter(fmt)
_sh.setLevel(logging.WARNING)
root.addHandler(_fh)
root.addHandler(_sh)

session = requests.Session()
retry = Retry(total=4, connect=2, backoff_factor=0.01, status_forcelist=[500, 502, 503, 504],
              allowed_methods=frozenset(["GET", "POST"]), raise_on_status=False)
session.mount("http://", HTTPAdapter(max_retries=retry, pool_connections=4, pool_maxsize=4))
session.mount("https://", HTTPAdapter(max_retries=retry))
session.hooks["response"].append(lambda r, *a, **k: logger.info("%s %s %s", r.request.method, r.url, r.status_code))

r = session.get(os.environ["API"] + "/flaky/sync", timeout=(3.05, 27))
print(r.json())
try:
    session.get(os.environ["DEAD"] + "/x", timeout=2)
except requests.exceptions.ConnectionError as e:
    logger.error("Max retries exceeded: %s", type(e.args[0]).__name__)
    print("gave up")

for i in range(60):
    logger.info("line %d %s", i, "x" * 50)
logging.shutdown()
print("rotated:", len(list(LOG_DIR.glob("sync.log*"))), "files")
