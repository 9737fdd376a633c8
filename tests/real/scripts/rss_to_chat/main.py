# expect: succeeded hosts=http env=FEED=http://127.0.0.1:{http}/feed.xml env=DING=http://127.0.0.1:{http}/hook/ding?access_token=x env=DING_SECRET=SEC1 entry=run stdout='技术周报: 3 entries, 2 new' stdout='not modified' received='hook ding: {"msgtype": "markdown"' received='Release 3 & notes' result='{"sent": 2}'
# /// script
# dependencies = ["feedparser", "requests"]
# ///
import base64
import configparser
import hashlib
import hmac
import html
import os
import re
import time
import urllib.parse
from pathlib import Path

import feedparser
import requests

cfg = configparser.ConfigParser(interpolation=None)
cfg.read(Path(__file__).with_name("config.ini"), encoding="utf-8")
TEMPLATE = cfg["message"]["template"].replace("\\n", "\n")
MAX = cfg.getint("message", "max", fallback=5)


def ding_url():
    timestamp = str(round(time.time() * 1000))
    secret = os.environ["DING_SECRET"]
    string_to_sign = "{}\n{}".format(timestamp, secret)
    code = hmac.new(secret.encode("utf-8"), string_to_sign.encode("utf-8"), digestmod=hashlib.sha256).digest()
    sign = urllib.parse.quote_plus(base64.b64encode(code))
    return f"{os.environ['DING']}&timestamp={timestamp}&sign={sign}"


def strip(text):
    return html.unescape(re.sub("<[^>]+>", "", text)).strip()


def run(context):
    seen = context.state.setdefault("seen", ["id-1"])
    feed = feedparser.parse(os.environ["FEED"], agent="rss-bot/1.0")
    if feed.bozo:
        print("bozo:", feed.bozo_exception)
    new = [e for e in feed.entries if e.get("id", e.link) not in seen][:MAX]
    print(f"{feed.feed.title}: {len(feed.entries)} entries, {len(new)} new")
    for e in reversed(new):
        text = TEMPLATE % {"title": e.title, "link": e.link, "when": time.strftime("%Y-%m-%d %H:%M", e.published_parsed), "summary": strip(e.summary)}
        r = requests.post(ding_url(), json={"msgtype": "markdown", "markdown": {"title": feed.feed.title, "text": text}})
        if r.json()["errcode"] != 0:
            raise RuntimeError(r.text)
        seen.append(e.id)
    context.state["seen"] = seen[-200:]
    again = feedparser.parse(os.environ["FEED"], etag=feed.etag)
    if again.status == 304:
        print("not modified")
    return {"sent": len(new)}
