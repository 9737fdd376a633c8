"""A certificate in the form that `ssl.SSLSocket.getpeercert` gives it: the parts that programs look at.

Left out are the addresses of its issuer's services (OCSP, caIssuers, crlDistributionPoints).
"""

from .kept import __builtins__

import base64
import ipaddress

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

_ATTRIBUTES = {
    "2.5.4.3": "commonName",
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "countryName",
    "2.5.4.7": "localityName",
    "2.5.4.8": "stateOrProvinceName",
    "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName",
    "2.5.4.11": "organizationalUnitName",
    "2.5.4.12": "title",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "givenName",
    "2.5.4.97": "organizationIdentifier",
    "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.25": "domainComponent",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionLocalityName",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
}
_ALTERNATIVE_NAME = "2.5.29.17"
_BMP_STRING = 0x1E
_UNIVERSAL_STRING = 0x1C
_UTF8_STRING = 0x0C
_UTC_TIME = 0x17
_VERSION = 0xA0
_EXTENSIONS = 0xA3


def describe(der):
    """The dictionary; an empty one for what is no certificate."""
    try:
        return _describe(der)
    except (IndexError, ValueError, UnicodeError):
        return {}


def pem(der):
    """The text form."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _describe(der):
    fields = _items(_items(_items(der)[0][1])[0][1])
    version = 1
    if fields[0][0] == _VERSION:
        version = _items(fields.pop(0)[1])[0][1][0] + 1
    serial, _, issuer, validity, subject = (content for _, content in fields[:5])
    begin, end = _items(validity)
    shown = {
        "subject": _name(subject),
        "issuer": _name(issuer),
        "version": version,
        "serialNumber": _serial(serial),
        "notBefore": _time(*begin),
        "notAfter": _time(*end),
    }
    for tag, content in fields[6:]:
        if tag == _EXTENSIONS:
            for _, extension in _items(_items(content)[0][1]):
                parts = _items(extension)
                if _oid(parts[0][1]) == _ALTERNATIVE_NAME:
                    shown["subjectAltName"] = tuple(map(_general_name, _items(_items(parts[-1][1])[0][1])))
    return shown


def _items(data):
    """Tag and content of each value, one after another."""
    items = []
    at = 0
    while at < len(data):
        tag = data[at]
        size = data[at + 1]
        at += 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(data[at : at + width])
            at += width
        if at + size > len(data):
            raise ValueError("cut off")
        items.append((tag, data[at : at + size]))
        at += size
    return items


def _oid(content):
    first = content[0]
    numbers = [min(first // 40, 2), first - 40 * min(first // 40, 2)]
    number = 0
    for byte in content[1:]:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    return ".".join(map(str, numbers))


def _text(tag, content):
    coding = {_BMP_STRING: "utf-16-be", _UNIVERSAL_STRING: "utf-32-be", _UTF8_STRING: "utf-8"}.get(tag, "latin-1")
    return content.decode(coding)


def _name(content):
    """A name: a tuple of its parts, each a tuple of pairs."""
    name = []
    for _, part in _items(content):
        pairs = []
        for _, pair in _items(part):
            (_, kind), value = _items(pair)
            kind = _oid(kind)
            pairs.append((_ATTRIBUTES.get(kind, kind), _text(*value)))
        name.append(tuple(pairs))
    return tuple(name)


def _serial(content):
    number = int.from_bytes(content, signed=True)
    digits = f"{abs(number):X}"
    return ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def _time(tag, content):
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[0] >= "5" else "20") + text
    year, month, day, hour, minute, second = text[:4], *(text[at : at + 2] for at in range(4, 14, 2))
    return f"{_MONTHS[int(month) - 1]} {int(day):2} {hour}:{minute}:{second} {year} GMT"


def _general_name(item):
    tag, content = item
    kind = tag & 0x1F
    if kind in (1, 2, 6):
        return {1: "email", 2: "DNS", 6: "URI"}[kind], content.decode("latin-1")
    if kind == 4:
        return "DirName", _name(_items(content)[0][1])
    if kind == 7 and len(content) == 4:
        return "IP Address", str(ipaddress.IPv4Address(content))
    if kind == 7 and len(content) == 16:
        return "IP Address", ":".join(f"{int.from_bytes(content[at : at + 2]):X}" for at in range(0, 16, 2))
    if kind == 8:
        return "Registered ID", _oid(content)
    return "othername", "<unsupported>"
