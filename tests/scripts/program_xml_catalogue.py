# expect: succeeded result='{"total": "59.85", "titles": ["Tea", "Salt & pepper"], "xml": "<totals currency=\"EUR\"><total>59.85</total></totals>"}'
# XML read with ElementTree, with namespaces and entities, and written again.
import decimal
import xml.etree.ElementTree as ElementTree

SOURCE = """<?xml version="1.0" encoding="utf-8"?>
<c:catalogue xmlns:c="urn:catalogue"><c:item id="1"><c:title>Tea</c:title><c:price n="3">9.95</c:price></c:item>
<c:item id="2"><c:title>Salt &amp; pepper</c:title><c:price n="2">15.00</c:price></c:item></c:catalogue>"""


def run():
    names = {"c": "urn:catalogue"}
    root = ElementTree.fromstring(SOURCE)
    prices = root.findall("c:item/c:price", names)
    total = sum(decimal.Decimal(price.text) * int(price.get("n")) for price in prices)
    out = ElementTree.Element("totals", currency="EUR")
    ElementTree.SubElement(out, "total").text = str(total)
    titles = [title.text for title in root.iterfind(".//c:title", names)]
    return {"total": total, "titles": titles, "xml": ElementTree.tostring(out, encoding="unicode")}
