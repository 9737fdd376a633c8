# expect: succeeded result='["CookieError", "CookieError", "CookieError", "CookieError", "CookieError", "CookieError", "ValueError", "ValueError", "ValueError", "ValueError", "HeaderWriteError", "ValueError", "ok"]' stdout='<methodName>a&lt;b&gt;</methodName>'
# Faults of CPython 3.14.0 by which data from elsewhere write headers, commands and markup are mended (docs/interpreter.md).
import email.message
import email.policy
import http.client
import http.cookies
import imaplib
import urllib.request
import xmlrpc.client
from email.generator import BytesGenerator
from io import BytesIO


def name_of(work):
    try:
        work()
    except Exception as error:
        return type(error).__name__
    return "nothing"


def cookies():
    cookie = http.cookies.SimpleCookie()
    cookie["a"] = "b"
    return cookie["a"]


def morsel_set():
    http.cookies.Morsel().set("a", "b\r\nSet-Cookie: c=d", "b\r\nSet-Cookie: c=d")


class Folded(str):
    """A header that folds itself, wrongly."""

    name = "Subject"

    def fold(self, **_):
        return str(self)


def mail():
    message = email.message.EmailMessage()
    message["Subject"] = Folded("Subject: Hello\nBcc: everybody@example.com\n")
    message.set_content("text")
    BytesGenerator(BytesIO(), policy=email.policy.default).flatten(message)


def tunnel(host, headers):
    connection = http.client.HTTPConnection("proxy")
    connection.set_tunnel(host, headers=headers)
    connection._tunnel()


def honest():
    cookie = http.cookies.SimpleCookie("a=b; Path=/x")
    assert cookie.output() == "Set-Cookie: a=b; Path=/x", cookie.output()
    assert "</script>b" not in http.cookies.SimpleCookie({"a": "</script>b"}).js_output()
    message = email.message.EmailMessage()
    message["Subject"] = "Grüße " * 40
    message["To"] = "Ärger <a@example.com>, b@example.com"
    message.set_content("Text\n")
    assert b"Subject: " in bytes(message)
    assert email.message_from_bytes(bytes(message), policy=email.policy.default)["Subject"].startswith("Grüße")
    assert urllib.request.urlopen("data:text/plain,hello").read() == b"hello"
    connection = http.client.HTTPConnection("proxy")
    connection.set_tunnel("a.example", headers={"A": "b"})
    sent = []
    connection.send = sent.append
    try:
        connection._tunnel()
    except AttributeError:
        # Nothing answers, for there is no socket.
        pass
    assert sent == [b"CONNECT a.example:80 HTTP/1.1\r\nA: b\r\nHost: a.example:80\r\n\r\n"], sent
    return "ok"


def run():
    print(xmlrpc.client.dumps((1,), "a<b>"))
    imap = imaplib.IMAP4.__new__(imaplib.IMAP4)
    return [
        name_of(morsel_set),
        name_of(lambda: cookies().__setitem__("path", "/\r\nX: y")),
        name_of(lambda: cookies().update({"domain": "a\x00"})),
        name_of(lambda: cookies().setdefault("comment", "\x7f")),
        name_of(lambda: cookies().__ior__({"path": "\r\n"})),
        name_of(lambda: cookies().__setstate__({"key": "a", "value": "\n", "coded_value": "b"})),
        name_of(lambda: imap._command("SELECT", "inbox\r\nA1 DELETE inbox")),
        name_of(lambda: tunnel("a.example", {"A": "b\r\nC: d"})),
        name_of(lambda: tunnel("a.example", {"A:": "b"})),
        name_of(lambda: tunnel("a.example\r\nX", {})),
        name_of(mail),
        name_of(lambda: urllib.request.urlopen("data:text/plain%0d;\r\nX: y,hello")),
        honest(),
    ]
