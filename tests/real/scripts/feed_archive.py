# expect: succeeded hosts=http env=FEED=http://127.0.0.1:{http}/feed.xml stdout='3 entries in the archive' stdout='Release [2] & notes' gap='fts5 in SQLite'
# keeps every entry of a feed in a full text index
import os
import re
import sqlite3
import urllib.request
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

db = sqlite3.connect(os.environ.get("ARCHIVE", "/tmp/archive.sqlite3"))
db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS entries USING fts5(guid UNINDEXED, title, body, at UNINDEXED, tokenize='unicode61')")
known = {row[0] for row in db.execute("SELECT guid FROM entries")}
root = ET.fromstring(urllib.request.urlopen(os.environ["FEED"]).read())
with db:
    for item in root.iter("item"):
        guid = item.findtext("guid")
        if guid in known:
            continue
        at = parsedate_to_datetime(item.findtext("pubDate")).isoformat()
        body = re.sub(r"<[^>]*>", " ", item.findtext("description"))
        db.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (guid, item.findtext("title"), body, at))
print(db.execute("SELECT count(*) FROM entries").fetchone()[0], "entries in the archive")
for title, at in db.execute("SELECT highlight(entries, 1, '[', ']'), at FROM entries WHERE entries MATCH ? ORDER BY rank", ("2",)):
    print(title, at)
