# expect: succeeded hosts=http env=ECB=http://127.0.0.1:{http}/stats/eurofxref-daily.xml stdout='1 USD = 7.2124 CNY' stdout='invoice total 1,851.72 EUR' stdout='2026-03-27 16:00 CET' result=null
from decimal import Decimal, ROUND_HALF_UP, getcontext
from datetime import datetime
from zoneinfo import ZoneInfo
import urllib.request
import xml.etree.ElementTree as ET
import locale
import os

getcontext().prec = 28
CENT = Decimal("0.01")
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    pass

with urllib.request.urlopen(os.environ.get("ECB", "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml")) as f:
    tree = ET.parse(f)
ns = {"gesmes": "http://www.gesmes.org/xml/2002-08-01", "ex": "http://www.ecb.int/vocabulary/2002-08-01/eurofxref"}
day = tree.find(".//ex:Cube[@time]", ns)
rates = {c.get("currency"): Decimal(c.get("rate")) for c in day.findall("ex:Cube", ns)}
rates["EUR"] = Decimal(1)


def convert(amount, a, b):
    return (Decimal(amount) / rates[a] * rates[b]).quantize(CENT, ROUND_HALF_UP)


usd_cny = (rates["CNY"] / rates["USD"]).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
print("1 USD =", usd_cny, "CNY")
invoices = [("1200.10", "USD"), ("88888", "JPY"), ("99.99", "GBP"), ("0.005", "EUR"), ("639.45", "CNY")]
total = sum((convert(a, c, "EUR") for a, c in invoices), Decimal(0))
print(f"invoice total {total:,} EUR")
at = datetime.fromisoformat(day.get("time")).replace(hour=16, tzinfo=ZoneInfo("Europe/Berlin"))
print(at.strftime("%Y-%m-%d %H:%M %Z"), "=", at.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%m/%d %H:%M %z"))
