# expect: succeeded hosts=smtp env=MAIL_HOST=127.0.0.1 env=MAIL_PORT={smtp} env=MAIL_USER=bot env=MAIL_PASS=m41l stdout='sent to 2' stdout='wrong password noticed' received='mail to ann@example.com,böb@example.com: Wochenbericht – KW 13 | text/plain None: Hallo Ann,' received='text/csv zahlen_märz.csv: tag;umsatz' received='application/zip bericht.zip' received='image/png None: 67 bytes'
import base64
import csv
import io
import os
import smtplib
import zipfile
from email import encoders
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr, formatdate, make_msgid
from string import Template

host, port = os.environ["MAIL_HOST"], int(os.environ["MAIL_PORT"])
user, password = os.environ["MAIL_USER"], os.environ["MAIL_PASS"]
to = ["ann@example.com", "böb@example.com"]
here = os.path.dirname(__file__)
rows = [("Mo", 1200), ("Di", 980), ("Mi", 1431)]


def read(name):
    with open(os.path.join(here, "templates", name), encoding="utf-8") as f:
        return Template(f.read())


msg = MIMEMultipart("mixed")
msg["Subject"] = Header("Wochenbericht – KW 13", "utf-8")
msg["From"] = formataddr((str(Header("Berichts-Bot", "utf-8")), "bot@example.com"))
msg["To"] = ", ".join(to)
msg["Date"] = formatdate(localtime=True)
msg["Message-ID"] = make_msgid(domain="example.com")

values = {"name": "Ann", "total": sum(n for _, n in rows), "rows": "".join(f"<tr><td>{d}<td>{n}" for d, n in rows)}
alt = MIMEMultipart("alternative")
alt.attach(MIMEText(read("mail.txt").substitute(values), "plain", "utf-8"))
alt.attach(MIMEText(read("mail.html").safe_substitute(values), "html", "utf-8"))
msg.attach(alt)

buf = io.StringIO()
w = csv.writer(buf, delimiter=";", lineterminator="\n")
w.writerow(["tag", "umsatz"])
w.writerows(rows)
part = MIMEBase("text", "csv", charset="utf-8")
part.set_payload(buf.getvalue().encode("utf-8"))
encoders.encode_base64(part)
part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", "zahlen_märz.csv"))
msg.attach(part)

z = io.BytesIO()
with zipfile.ZipFile(z, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("zahlen.csv", buf.getvalue())
att = MIMEApplication(z.getvalue(), _subtype="zip")
att["Content-Disposition"] = 'attachment; filename="bericht.zip"'
msg.attach(att)
png = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAACklEQVR4nGMAAQAABQABDQottAAAAABJRU5ErkJggg==")
img = MIMEImage(png)
img.add_header("Content-ID", "<logo>")
msg.attach(img)

try:
    smtplib.SMTP(host, port, timeout=5).login(user, "nope")
except smtplib.SMTPAuthenticationError as e:
    print("wrong password noticed", e.smtp_code)

server = smtplib.SMTP(host, port, timeout=30)
try:
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls()
        server.ehlo()
    server.login(user, password)
    refused = server.sendmail("bot@example.com", to, msg.as_string(), mail_options=["SMTPUTF8"])
    print("sent to", len(to) - len(refused))
finally:
    server.quit()
