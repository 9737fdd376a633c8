"""Receivers on loopback for the tests of channels, in threads of their own.

    python receivers.py CERTIFICATES

CERTIFICATES is the folder of an authority: server.pem is for localhost, other.pem is not. Prints where they are as one line of
JSON and serves until its standard input ends. Each stand-in checks what its service documents, and answers as that does; what
arrived is at /seen.
"""

import asyncio
import base64
import hashlib
import hmac
import http.server
import json
import logging
import ssl
import sys
import threading
import time
import urllib.parse
import warnings
from email import message_from_bytes, policy
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult
from standardwebhooks.webhooks import Webhook

SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "whsec_bm90aGluZyBidXQgYW5vdGhlciBvbmUgb2YgdGhlbQ=="]
# Sessions that end badly are meant to.
logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
warnings.simplefilter("ignore")
_seen = []
_lock = threading.Lock()


def seen(kind, **what):
    with _lock:
        _seen.append({"kind": kind, "at": time.time(), **what})


def check(condition, why):
    if not condition:
        raise ValueError(why)


def only(body, *fields):
    check(set(body) <= set(fields), f"fields that are not documented: {set(body) - set(fields)}")


def webhook(request, body):
    for secret in SECRETS:
        Webhook(secret).verify(body, dict(request.headers))
    seen("webhook", id=request.headers["webhook-id"], body=json.loads(body))
    return 204, b""


def slack(request, body):
    check(request.headers["Content-Type"].startswith("application/json"), "Content-Type")
    body = json.loads(body)
    only(body, "text", "blocks")
    check(0 < len(body["text"]) <= 40_000 and len(body["blocks"]) <= 50, "text")
    for block in body["blocks"]:
        check(block["type"] == "section" and block["text"]["type"] == "mrkdwn", "block")
        check(0 < len(block["text"]["text"]) <= 3_000, "a section has at most 3,000 characters")
    seen("slack", body=body)
    return 200, b"ok"


def units(text):
    return len(text.encode("utf-16-le")) // 2


def discord(request, body):
    body = json.loads(body)
    only(body, "embeds", "allowed_mentions")
    check(body["allowed_mentions"] == {"parse": []} and len(body["embeds"]) <= 10, "embeds")
    for embed in body["embeds"]:
        only(embed, "title", "description", "color")
        check(0 < units(embed["title"]) <= 256 and 0 < units(embed["description"]) <= 4_096, "too long")
        check(units(embed["title"]) + units(embed["description"]) <= 6_000, "too long together")
        check(0 <= embed["color"] <= 0xFFFFFF, "color")
    seen("discord", body=body)
    return 204, b""


def teams(request, body):
    check(len(body) <= 28 << 10, "a message has at most 28 KB")
    body = json.loads(body)
    only(body, "type", "attachments")
    check(body["type"] == "message" and len(body["attachments"]) == 1, "attachments")
    attachment = body["attachments"][0]
    check(attachment["contentType"] == "application/vnd.microsoft.card.adaptive", "contentType")
    card = attachment["content"]
    check(card["type"] == "AdaptiveCard" and card["version"] == "1.2" and card["body"], "card")
    for block in card["body"]:
        check(block["type"] == "RichTextBlock" and all(run["type"] == "TextRun" and run["text"] for run in block["inlines"]), "body")
    for action in card["actions"]:
        check(action["type"] == "Action.OpenUrl" and action["url"].startswith("https://"), "action")
    seen("teams", body=body)
    return 202, b""


def telegram(request, body):
    check(request.path == "/bot123:AB-c/sendMessage", request.path)
    body = json.loads(body)
    only(body, "chat_id", "text", "parse_mode", "link_preview_options")
    check(body["parse_mode"] == "HTML" and body["chat_id"] == "-100200", "chat_id")
    import html.parser

    class Reader(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.text, self.open = "", []

        def handle_starttag(self, tag, attributes):
            check(tag in ("a", "b", "code"), tag)
            self.open.append(tag)

        def handle_endtag(self, tag):
            check(self.open.pop() == tag, tag)

        def handle_data(self, data):
            self.text += data

    reader = Reader()
    reader.feed(body["text"])
    reader.close()
    check(not reader.open and 0 < units(reader.text) <= 4_096, "text")
    seen("telegram", body=body, text=reader.text)
    return 200, json.dumps({"ok": True, "result": {"message_id": 1}}).encode()


def ntfy(request, body):
    check(request.path == "/" and request.headers["Authorization"] == "Bearer tk_x", "Authorization")
    body = json.loads(body)
    only(body, "topic", "title", "message", "priority", "tags", "actions", "click")
    check(body["topic"] == "ops" and len(body["message"].encode()) <= 4_096 and 1 <= body["priority"] <= 5, "message")
    check(len(body["actions"]) <= 3 and all(action["action"] == "view" for action in body["actions"]), "actions")
    seen("ntfy", body=body)
    return 200, json.dumps({"id": "x", "event": "message"}).encode()


def feishu(request, body):
    check(len(body) <= 20_000, "a message has at most 20 KB")
    body = json.loads(body)
    only(body, "timestamp", "sign", "msg_type", "content")
    key = f"{body['timestamp']}\nfs-secret".encode()
    sign = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    if body["sign"] != sign or abs(time.time() - int(body["timestamp"])) > 3_600:
        return 200, json.dumps({"code": 19021, "msg": "sign match fail or timestamp is not within one hour"}).encode()
    check(body["msg_type"] == "post", "msg_type")
    for line in body["content"]["post"]["zh_cn"]["content"]:
        for part in line:
            check(part["tag"] in ("text", "a") and part["text"], "content")
    seen("feishu", body=body)
    return 200, json.dumps({"code": 0, "data": {}, "msg": "success"}).encode()


def dingtalk(request, body):
    check(len(body) <= 20_000, "a message has at most 20,000 bytes")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.path).query))
    signed = f"{query['timestamp']}\nSECdt".encode()
    sign = base64.b64encode(hmac.new(b"SECdt", signed, hashlib.sha256).digest()).decode()
    if query["access_token"] != "x" or query["sign"] != sign or abs(time.time() * 1000 - int(query["timestamp"])) > 3_600_000:
        return 200, json.dumps({"errcode": 310000, "errmsg": "sign not match"}).encode()
    body = json.loads(body)
    only(body, "msgtype", "markdown")
    check(body["msgtype"] == "markdown" and body["markdown"]["title"] and body["markdown"]["text"], "markdown")
    seen("dingtalk", body=body)
    return 200, json.dumps({"errcode": 0, "errmsg": "ok"}).encode()


def wecom(request, body):
    body = json.loads(body)
    only(body, "msgtype", "markdown")
    content = body["markdown"]["content"]
    check(body["msgtype"] == "markdown" and request.path.endswith("?key=x"), "msgtype")
    if len(content.encode()) > 4_096:
        return 200, json.dumps({"errcode": 40058, "errmsg": "markdown.content exceed max length 4096"}).encode()
    seen("wecom", body=body)
    return 200, json.dumps({"errcode": 0, "errmsg": "ok"}).encode()


def template(request, body):
    check(request.command == "PUT" and request.headers["X-Script"], "template")
    seen("template", path=request.path, body=json.loads(body), script=request.headers["X-Script"])
    return 200, b""


PLACES = {
    "/webhook": webhook,
    "/slack": slack,
    "/discord": discord,
    "/teams": teams,
    "/bot": telegram,
    "/feishu": feishu,
    "/dingtalk": dingtalk,
    "/wecom": wecom,
    "/template": template,
}


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/ping/"):
            return self.do_POST()
        with _lock:
            body = json.dumps(_seen).encode()
        self.reply(200, body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        if path.startswith("/ping/"):
            # A monitor: /ping/NAME, with what it does where NAME is one of those below.
            seen("ping", method=self.command, path=self.path, body=body.decode())
            path = "/" + path.split("/")[2]
        hostile = {
            "/gone": lambda: self.reply(410, b"closed"),
            "/later": lambda: self.reply(429, b"slow down", Retry_After="120"),
            "/redirect": lambda: self.reply(302, b"", Location="http://localhost:1/elsewhere?key=1"),
            "/fail": lambda: self.reply(500, b"broken"),
            "/silent": lambda: time.sleep(60),
            "/drip": self.drip,
            "/big": self.big,
            "/endless-head": self.endless_head,
        }
        if self.path.startswith("/ping/") and path not in hostile:
            return self.reply(200, b"OK")
        if path in hostile:
            seen("hostile", path=path)
            return hostile[path]()
        place = next((serve for prefix, serve in PLACES.items() if path.startswith(prefix)), None)
        place = ntfy if path == "/" else place
        try:
            status, answer = place(self, body)
        except Exception as error:
            status, answer = 400, repr(error).encode()
        self.reply(status, answer)

    do_PUT = do_POST

    def drip(self):
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            self.wfile.write(bytes([byte]))
            time.sleep(0.2)

    def big(self):
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        for _ in range(1 << 14):
            self.wfile.write(b"x" * (64 << 10))

    def endless_head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1 << 20):
            self.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


def serve_http(context=None):
    server = Quiet(("127.0.0.1", 0), Receiver)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        seen(
            "email",
            id=mail["Message-ID"],
            subject=mail["Subject"],
            to=envelope.rcpt_tos,
            sender=envelope.mail_from,
            parts=parts,
            tls=server.transport.get_extra_info("ssl_object") is not None,
            user=getattr(session.auth_data, "login", b"").decode() if session.auth_data else None,
        )
        return "250 kept"


def login(server, session, envelope, mechanism, data):
    fine = data.login == b"cronbox" and data.password == b"mail-password-1"
    return AuthResult(success=fine, auth_data=data if fine else None, handled=False)


_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, daemon=True).start()


def serve_mail(ssl_context=None, **options):
    def session():
        return SMTP(Mailbox(), hostname="localhost", **options)

    listening = _loop.create_server(session, "127.0.0.1", 0, ssl=ssl_context)
    return asyncio.run_coroutine_threadsafe(listening, _loop).result().sockets[0].getsockname()[1]


def main(folder):
    def context(name):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(Path(folder) / f"{name}.pem")
        return made

    needed = {"auth_required": True, "authenticator": login}
    ports = {
        "http": serve_http(),
        "https": serve_http(context("server")),
        "other": serve_http(context("other")),
        "smtp": serve_mail(tls_context=context("server"), require_starttls=True, **needed),
        "smtp_other": serve_mail(tls_context=context("other"), require_starttls=True, **needed),
        "smtps": serve_mail(ssl_context=context("server"), auth_require_tls=False, **needed),
        "smtp_plain": serve_mail(),
    }
    print(json.dumps(ports), flush=True)
    sys.stdin.read()


main(sys.argv[1])
