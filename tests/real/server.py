"""What the scripts of this folder talk to: a web server, a mail server and a Redis, all on loopback.

Prints its ports as JSON on one line, then answers until its standard input ends. What it received can be read as JSON
under `/_received`. It needs the standard library alone.
"""

import base64
import email
import email.policy
import gzip
import hashlib
import hmac
import json
import re
import socket
import socketserver
import sys
import threading
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

RECEIVED = []
"""Texts of messages, hooks and mails, as they came."""
COUNTS = {}
LOCK = threading.Lock()
ROUTES = []

# AES-128 in CBC mode with the key 0123456789abcdef and the vector fedcba9876543210, PKCS 7, of the text
# {"phone":"13800000000","password":"pa55word"}, by OpenSSL.
AES_LOGIN = "Pv+vljE9kCrIpcVv/uMIzeHJfF1oKzFGNXSuO3QXeK3YSd/B2p0AlN61bwzbSRJ7"


def count(key):
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key]


def route(method, pattern):
    def keep(function):
        ROUTES.append((method, re.compile(pattern + r"\Z"), function))
        return function

    return keep


class Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *words):
        pass

    def answer(self):
        parts = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.cookies = {name: one.value for name, one in SimpleCookie(self.headers.get("Cookie", "")).items()}
        for method, pattern, function in ROUTES:
            found = pattern.match(unquote(parts.path))
            if found and method in (self.command, "ANY"):
                return function(self, *found.groups())
        self.json({"message": "Not Found"}, 404)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

    def form(self):
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}

    def send(self, content, kind, status=200, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def json(self, value, status=200, headers=()):
        self.send(json.dumps(value, ensure_ascii=False).encode(), "application/json; charset=utf-8", status, headers)

    def html(self, text, encoding="utf-8", kind="text/html; charset=utf-8", **more):
        self.send(text.encode(encoding), kind, **more)

    def base(self):
        return f"http://{self.headers['Host']}"


@route("GET", "/_received")
def received(web):
    with LOCK:
        web.json(list(RECEIVED))


# Sign-in.


@route("POST", "/glados/api/user/checkin")
def glados_checkin(web):
    who = web.cookies.get("koa:sess", "")
    if not who.startswith("user-"):
        return web.json({"code": -2, "message": "please login"})
    if count("glados " + who) > 1:
        return web.json({"code": 1, "message": "Checkin Repeats! Please Try Tomorrow"})
    web.json({"code": 0, "message": "Checkin! Got 1 Points"})


@route("GET", "/glados/api/user/status")
def glados_status(web):
    who = web.cookies.get("koa:sess", "")
    if not who.startswith("user-"):
        return web.json({"code": -2, "message": "没有权限"})
    web.json({"code": 0, "data": {"email": who + "@example.com", "leftDays": "42.0000000000"}})


@route("POST", "/app/sign")
def app_sign(web):
    form = web.form()
    sign = form.pop("sign", "")
    text = "&".join(f"{name}={form[name]}" for name in sorted(form)) + "&key=s3cr3t"
    inner = hashlib.md5(text.encode()).hexdigest().upper()
    right = hmac.new(b"s3cr3t", inner.encode(), hashlib.sha256).hexdigest()
    if sign != right:
        return web.json({"code": 401, "msg": "签名错误"})
    web.json({"code": 200, "msg": "签到成功", "data": {"score": 5, "total": 125, "days": 7}})


@route("POST", "/aes/login")
def aes_login(web):
    if json.loads(web.body or b"{}").get("data") != AES_LOGIN:
        return web.json({"code": 500, "message": "参数解密失败"})
    web.json({"code": 0, "message": "ok", "data": {"token": "t-138"}})


@route("POST", "/aes/sign")
def aes_sign(web):
    good = web.headers.get("Authorization") == "t-138"
    web.json({"code": 0, "message": "签到成功，+3 积分"} if good else {"code": 401, "message": "未登录"})


@route("GET", "/forum/login")
def forum_login_page(web):
    page = '<html><body><form method="post"><input type="hidden" name="formhash" value="f00dcafe">'
    page += '<input name="username"><input name="password" type="password"></form></body></html>'
    web.html(page, headers=[("Set-Cookie", "sid=visitor; Path=/"), ("Set-Cookie", "lang=zh; Path=/forum")])


@route("POST", "/forum/login")
def forum_login(web):
    form = web.form()
    right = form.get("formhash") == "f00dcafe" and web.cookies.get("sid") == "visitor"
    if not right or (form.get("username"), form.get("password")) != ("tester", "p@ss wörd"):
        return web.html("<p class=error>登录失败</p>", status=403)
    cookies = ("sid=member; Path=/; HttpOnly", "auth=abc%2F123; Path=/; Max-Age=86400")
    web.html("", status=302, headers=[("Location", "/forum/home"), *(("Set-Cookie", one) for one in cookies)])


@route("GET", "/forum/(home|sign)")
def forum_pages(web, page):
    if web.cookies.get("sid") != "member" or web.cookies.get("auth") != "abc%2F123":
        return web.html("请先登录", status=401)
    text = {"home": "欢迎您回来，<b class='name'>tester</b>", "sign": "<div id='msg'>已连续签到 <em>8</em> 天</div>"}
    web.html(f"<html><body>{text[page]}</body></html>")


# Pages and interfaces that are read.


@route("GET", "/shop/item/([0-9]+)")
def shop_item(web, number):
    if not web.headers.get("User-Agent", "").startswith("Mozilla/5.0"):
        return web.html("<h1>Robot check</h1>", status=503)
    names = {"1001": ("Green tea 250 g", "1,299.00"), "1002": ("Kettle &amp; cup", "89.90"), "1003": ("Filter", "")}
    name, price = names.get(number, ("?", ""))
    shown = f'<span class="a-price"><span class="a-offscreen">${price}</span></span>' if price else "<i>sold out</i>"
    web.html(f'<html><head><title>Shop</title></head><body><h1 id="productTitle"> {name}\n</h1>{shown}</body></html>')


@route("GET", "/weather")
def weather(web):
    hours = [{"hour": hour, "temp": 10 + (hour * 7) % 11, "wind": hour % 5} for hour in range(0, 24, 3)]
    web.json({"city": web.query.get("city"), "current": {"temp": 21.5, "text": "多云"}, "hourly": hours})


@route("ANY", "/up/(ok|broken|moved|once)")
def up(web, which):
    if which == "moved":
        return web.send(b"", "text/plain", 301, [("Location", "/up/ok")])
    if which == "broken" or which == "once" and count("up once") == 1:
        return web.send(b"oops", "text/plain", 500)
    web.send(b"healthy", "text/plain")


@route("GET", "/flaky/([a-z]+)")
def flaky(web, key):
    if count("flaky " + key) < 3:
        return web.json({"error": "busy"}, 503, [("Retry-After", "0")])
    web.json({"ok": True, "tries": COUNTS["flaky " + key]})


@route("GET", "/repos/acme/tea/issues")
def issues(web):
    page, size = int(web.query.get("page", 1)), int(web.query.get("per_page", 30))
    if web.headers.get("Authorization") != "token ghp_test":
        return web.json({"message": "Bad credentials"}, 401)
    found = [
        {
            "number": number,
            "title": f"Issue, number {number}",
            "user": {"login": ("ann", "bob", "cy")[number % 3]},
            "labels": [{"name": "bug"}] if number % 4 == 0 else [],
            "created_at": f"2026-01-{number % 28 + 1:02}T08:00:00Z",
            "pull_request": {} if number % 10 == 0 else None,
        }
        for number in range(1, 58)
    ][(page - 1) * size : page * size]
    links = [("next", page + 1), ("last", -(-57 // size))] if page * size < 57 else [("first", 1)]
    link = ", ".join(
        f'<{web.base()}/repos/acme/tea/issues?state=all&per_page={size}&page={at}>; rel="{rel}"' for rel, at in links
    )
    web.json(found, headers=[("Link", link), ("X-RateLimit-Remaining", str(60 - page))])


@route("GET", "/gitlab/api/v4/projects/7/pipelines")
def pipelines(web):
    if web.headers.get("PRIVATE-TOKEN") != "glpat-test":
        return web.json({"message": "401 Unauthorized"}, 401)
    page = int(web.query.get("page", 1))
    states = ("success", "failed", "success", "canceled", "success", "success", "failed")
    found = [
        {"id": 900 + at, "status": state, "ref": "main", "updated_at": f"2026-02-0{at + 1}T10:00:00.000+01:00"}
        for at, state in enumerate(states)
    ][(page - 1) * 3 : page * 3]
    web.json(found, headers=[("X-Next-Page", str(page + 1) if page < 3 else ""), ("X-Total", str(len(states)))])


@route("GET", "/jira/rest/api/2/search")
def jira(web):
    if web.headers.get("Authorization") != "Basic " + base64.b64encode(b"bot:t0ken").decode():
        return web.json({"errorMessages": ["You are not authenticated."]}, 401)
    start = int(web.query.get("startAt", 0))
    people = (None, {"displayName": "Łukasz"}, {"displayName": "Ann"})
    found = [
        {"key": f"OPS-{n}", "fields": {"summary": f"Task {n}", "assignee": people[n % 3], "timespent": n * 900}}
        for n in range(1, 9)
    ]
    web.json({"startAt": start, "maxResults": 3, "total": len(found), "issues": found[start : start + 3]})


@route("GET", "/stats/eurofxref-daily.xml")
def rates(web):
    rows = "".join(
        f"<Cube currency='{name}' rate='{rate}'/>"
        for name, rate in (("USD", "1.0832"), ("JPY", "163.05"), ("CNY", "7.8125"), ("GBP", "0.85625"))
    )
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>
<Cube><Cube time='2026-03-27'>{rows}</Cube></Cube></gesmes:Envelope>"""
    web.send(text.encode(), "text/xml")


@route("GET", "/api/items/([0-9]+)")
def item(web, number):
    if number == "13":
        return web.json({"detail": "no such item"}, 404)
    web.json({"id": int(number), "price": int(number) * 3, "stock": int(number) % 4})


NOVEL = """<html><head><meta http-equiv="Content-Type" content="text/html; charset=gbk" />
<title>第%d章 风雪夜归人 - 笔趣阁</title></head><body><div class="bookname"><h1>第%d章 风雪夜归人</h1></div>
<div id="content">&nbsp;&nbsp;&nbsp;&nbsp;雪下了一夜。<br /><br />&nbsp;&nbsp;&nbsp;&nbsp;“回来了？”他问。<br />
请记住本站域名</div><a href="/novel/%d.html">下一章</a></body></html>"""


@route("GET", "/novel/([0-9]+)\\.html")
def novel(web, number):
    number = int(number)
    if number > 3:
        return web.html("没有了", "gbk", "text/html", status=404)
    web.html(NOVEL % (number, number, number + 1), "gbk", "text/html")


@route("GET", "/tickets\\.php")
def tickets(web):
    if web.query.get("from") != "北京":
        return web.html("查询出错", "gbk", "text/html; charset=gb2312")
    web.html("G101|北京南|上海虹桥|有\nG103|北京南|上海虹桥|无\nD5|北京|上海|候补\n", "gbk", "text/plain; charset=gb2312")


@route("GET", "/calendar\\.ics")
def calendar(web):
    lines = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//test//EN
BEGIN:VEVENT
UID:1@test
DTSTART;TZID=Europe/Berlin:20260330T090000
DTEND;TZID=Europe/Berlin:20260330T093000
SUMMARY:Stand-up\\, daily
RRULE:FREQ=DAILY;COUNT=5
END:VEVENT
BEGIN:VEVENT
UID:2@test
DTSTART;VALUE=DATE:20260401
DTEND;VALUE=DATE:20260402
SUMMARY:Ärztin – Termin mit einem sehr langen Titel\\, der in der Datei umbrochen ist und
  danach weitergeht
END:VEVENT
BEGIN:VEVENT
UID:3@test
DTSTART:20260331T160000Z
DTEND:20260331T170000Z
SUMMARY:Release call
END:VEVENT
END:VCALENDAR
"""
    web.send(lines.replace("\n", "\r\n").encode(), "text/calendar")


@route("GET", "/feed\\.xml")
def feed(web):
    items = "".join(
        f"<item><title>Release {n} &amp; notes</title><link>http://example.com/{n}?a=1&amp;b=2</link>"
        f"<guid isPermaLink='false'>id-{n}</guid><pubDate>Mon, 0{n} Mar 2026 08:00:00 +0800</pubDate>"
        f"<description><![CDATA[<p>Text <b>{n}</b></p>]]></description></item>"
        for n in (3, 2, 1)
    )
    tag = '"v7"'
    if web.headers.get("If-None-Match") == tag:
        return web.send(b"", "application/rss+xml", 304)
    text = f'<?xml version="1.0"?><rss version="2.0"><channel><title>技术周报</title>{items}</channel></rss>'
    web.send(text.encode(), "application/rss+xml", headers=[("ETag", tag)])


@route("GET", "/sitemap(_index|-[12])\\.xml(\\.gz)?")
def sitemap(web, which, packed):
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    if which == "_index":
        inner = "".join(f"<sitemap><loc>{web.base()}/sitemap-{n}.xml.gz</loc></sitemap>" for n in (1, 2))
        text = f"<sitemapindex {space}>{inner}</sitemapindex>"
    else:
        inner = "".join(
            f"<url><loc>https://example.com{which}/{n}</loc><lastmod>2026-0{n}-01</lastmod></url>" for n in range(1, 6)
        )
        text = f"<urlset {space}>{inner}</urlset>"
    content = ('<?xml version="1.0" encoding="UTF-8"?>' + text).encode()
    web.send(gzip.compress(content) if packed else content, "application/x-gzip" if packed else "application/xml")


FILES = {
    "data.csv.gz": gzip.compress(b"".join(b"%d;item %d;%d,50\n" % (n, n, n * 2) for n in range(5000)), mtime=0),
    "readme.txt": "Größe: 5000 Zeilen\n".encode(),
}


@route("GET", "/download/([A-Za-z0-9.]+)")
def download(web, name):
    if name == "SHA256SUMS":
        lines = [f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in FILES.items()]
        return web.send("".join(lines).encode(), "text/plain")
    content, first = FILES[name], 0
    asked = re.match(r"bytes=(\d+)-", web.headers.get("Range", ""))
    if asked:
        first = int(asked[1])
        span = [("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")]
        return web.send(content[first:], "application/octet-stream", 206, span)
    web.send(content, "application/octet-stream")


@route("GET", "/quotes")
def quotes(web):
    lines = "".join(f'v_{code}="1~{code}~{5 + len(code)}.{n}0~5.00";\n' for n, code in
                    enumerate(web.query["q"].split(",")))
    web.send(lines.encode("gbk"), "text/javascript")


@route("GET", "/metrics/daily\\.json")
def metrics(web):
    text = json.dumps([{"day": f"2026-03-{n:02}", "visits": n * 10, "paid": n % 3} for n in range(1, 11)])
    if "gzip" in web.headers.get("Accept-Encoding", ""):
        return web.send(gzip.compress(text.encode()), "application/json", headers=[("Content-Encoding", "gzip")])
    web.send(text.encode(), "application/json")


# What is sent.


@route("POST", "/hook/([a-z]+)")
def hook(web, name):
    body = web.body.decode()
    if name == "ding":
        text = f"{web.query.get('timestamp')}\nSEC1"
        right = base64.b64encode(hmac.new(b"SEC1", text.encode(), hashlib.sha256).digest()).decode()
        if web.query.get("sign") != right:
            return web.json({"errcode": 310000, "errmsg": "sign not match"})
    with LOCK:
        RECEIVED.append(f"hook {name}: {body}")
    web.json({"errcode": 0, "errmsg": "ok", "code": 0})


@route("POST", "/bot([^/]+)/sendMessage")
def bot(web, token):
    if token != "123:ABC":
        return web.json({"ok": False, "error_code": 401, "description": "Unauthorized"}, 401)
    form = web.form()
    with LOCK:
        RECEIVED.append(f"bot {form['chat_id']}: {form['text']}")
    web.json({"ok": True, "result": {"message_id": 1}})


@route("PUT", "/dav/(.+)")
def dav(web, path):
    with LOCK:
        RECEIVED.append(f"dav {path}: {hashlib.sha256(web.body).hexdigest()} {web.headers.get('Authorization')}")
    web.send(b"", "text/plain", 201)


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as clients use, with the user `bot` and the password `m41l`."""

    def say(self, *lines):
        for at, line in enumerate(lines):
            self.wfile.write((line[:3] + ("-" if at + 1 < len(lines) else " ") + line[4:] + "\r\n").encode())

    def line(self):
        return self.rfile.readline().decode().strip()

    def plain(self, text):
        return base64.b64decode(text).decode()

    def sign_in(self, words):
        if words[1].upper() == "PLAIN":
            self.say("334 ") if len(words) < 3 else None
            _, user, password = self.plain(words[2] if len(words) > 2 else self.line()).split("\0")
        else:
            if len(words) < 3:
                self.say("334 VXNlcm5hbWU6")
            user = self.plain(words[2] if len(words) > 2 else self.line())
            self.say("334 UGFzc3dvcmQ6")
            password = self.plain(self.line())
        good = (user, password) == ("bot", "m41l")
        self.say("235 2.7.0 signed in" if good else "535 5.7.8 wrong password")
        return good

    def handle(self):
        self.say("220 mail.test ESMTP")
        to, known = [], False
        while line := self.line():
            words = line.split()
            verb = words[0].upper()
            if verb == "EHLO":
                self.say("250 mail.test", "250 8BITMIME", "250 SMTPUTF8", "250 AUTH LOGIN PLAIN", "250 SIZE 10485760")
            elif verb == "AUTH":
                known = self.sign_in(words)
            elif verb == "MAIL":
                to = []
                self.say("250 2.1.0 good" if known else "530 5.7.0 sign in first")
            elif verb == "RCPT":
                to.append(line.split(":", 1)[1].split()[0].strip("<>"))
                self.say("250 2.1.5 good")
            elif verb == "DATA":
                self.say("354 go on")
                self.keep(to)
                self.say("250 2.0.0 taken")
            elif verb == "QUIT":
                return self.say("221 2.0.0 bye")
            else:
                self.say("250 good")

    def keep(self, to):
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        parts = []
        for part in message.walk():
            if not part.is_multipart():
                content = part.get_content()
                shown = content.strip() if isinstance(content, str) else f"{len(content)} bytes"
                parts.append(f"{part.get_content_type()} {part.get_filename()}: {shown}")
        with LOCK:
            RECEIVED.append(f"mail to {','.join(to)}: {message['Subject']} | " + " | ".join(parts))


class Redis(socketserver.StreamRequestHandler):
    """As much of Redis, in version 3 of its protocol, as a cache needs."""

    kept = {}

    def handle(self):
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2])
            self.wfile.write(self.reply(words[0].upper().decode(), words[1:]))

    def reply(self, verb, words):
        kept = self.kept
        if verb in ("CLIENT", "SELECT", "SET", "SETEX"):
            if verb == "SET":
                if b"NX" in words and words[0] in kept:
                    return b"_\r\n"
                kept[words[0]] = words[1]
            elif verb == "SETEX":
                kept[words[0]] = words[2]
            return b"+OK\r\n"
        if verb == "HELLO":
            return b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"
        if verb == "PING":
            return b"+PONG\r\n"
        if verb == "GET":
            value = kept.get(words[0])
            return b"_\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        if verb in ("INCR", "INCRBY"):
            kept[words[0]] = b"%d" % (int(kept.get(words[0], 0)) + 1)
            return b":%s\r\n" % kept[words[0]]
        if verb == "HSET":
            kept.setdefault(words[0], {}).update(zip(words[1::2], words[2::2]))
            return b":%d\r\n" % (len(words) // 2)
        if verb == "HGETALL":
            flat = [one for pair in kept.get(words[0], {}).items() for one in pair]
            return b"%%%d\r\n" % (len(flat) // 2) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in flat)
        if verb in ("TTL", "EXPIRE"):
            return b":60\r\n" if verb == "TTL" else b":1\r\n"
        if verb == "DEL":
            return b":%d\r\n" % sum(kept.pop(word, None) is not None for word in words)
        return b"-ERR unknown command '%s'\r\n" % verb.encode()


class Raw(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


def main():
    servers = {
        "http": ThreadingHTTPServer(("127.0.0.1", 0), Web),
        "smtp": Raw(("127.0.0.1", 0), Mail),
        "redis": Raw(("127.0.0.1", 0), Redis),
    }
    # A port that nothing else can take and that takes no connection.
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = {name: server.server_address[1] for name, server in servers.items()}
    print(json.dumps({**ports, "closed": closed.getsockname()[1]}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
