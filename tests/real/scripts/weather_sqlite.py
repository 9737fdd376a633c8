# expect: succeeded hosts=http env='API_URL=http://127.0.0.1:{http}/weather?city=Beijing' stdout='8 rows' stdout='max 20.0 at 03h' stdout='03h   20.0  +  15.00' stdout='stored at 20'
import sqlite3, json, os, datetime
from urllib.request import urlopen, Request

DB = os.path.join(os.environ.get("DATA_DIR", "/tmp"), "weather.db")

conn = sqlite3.connect(DB)
conn.row_factory = sqlite3.Row
c = conn.cursor()
c.execute("""CREATE TABLE IF NOT EXISTS weather (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    city TEXT NOT NULL,
    hour INTEGER NOT NULL,
    temp REAL,
    wind REAL,
    created_at TIMESTAMP NOT NULL DEFAULT (datetime('now','localtime')),
    UNIQUE(city, hour) ON CONFLICT REPLACE
)""")

req = Request(os.environ["API_URL"], headers={"User-Agent": "curl/8.0"})
data = json.loads(urlopen(req, timeout=10).read().decode())
for h in data["hourly"]:
    c.execute("INSERT INTO weather(city, hour, temp, wind) VALUES (?,?,?,?)", (data["city"], h["hour"], h["temp"], h["wind"]))
conn.commit()

print(c.execute("select count(*) from weather").fetchone()[0], "rows")
row = c.execute("SELECT hour, max(temp) m FROM weather GROUP BY city").fetchone()
print("max %.1f at %02dh" % (row["m"], row["hour"]))
for r in c.execute("""
    SELECT hour, temp, temp - LAG(temp) OVER w AS diff, AVG(temp) OVER (ORDER BY hour ROWS 2 PRECEDING) AS smooth,
           strftime('%H:%M', created_at, 'localtime') as t
    FROM weather WINDOW w AS (PARTITION BY city ORDER BY hour)"""):
    arrow = " " if r["diff"] is None else "+" if r["diff"] > 0 else "-"
    print("%02dh  %5.1f  %s  %.2f" % (r["hour"], r["temp"], arrow, r["smooth"]))
stored = c.execute("select max(created_at) from weather where date(created_at) = date('now', 'localtime')").fetchone()[0]
assert datetime.datetime.strptime(stored, "%Y-%m-%d %H:%M:%S")
print("stored at", stored)
conn.close()
