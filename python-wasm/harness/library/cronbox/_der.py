"""DER, as far as keys and certificates need it (X.690)."""

import base64
import re

INTEGER, BITS, OCTETS, NULL, OID, UTF8, SEQUENCE, SET = 2, 3, 4, 5, 6, 12, 0x30, 0x31


class Reader:
    """Reads values one after another. Everything that is not as it should be is a ValueError."""

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    def more(self):
        return self.at < len(self.data)

    def peek(self):
        return self.data[self.at] if self.more() else None

    def any(self):
        """The next value: its tag, its content, and all of it."""
        start, data = self.at, self.data
        if start + 2 > len(data):
            raise ValueError("the key ends too early")
        tag, length, at = data[start], data[start + 1], start + 2
        if length >= 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > len(data):
                raise ValueError("the key has a length that cannot be read")
            length = int.from_bytes(data[at : at + size])
            at += size
        if at + length > len(data):
            raise ValueError("the key ends too early")
        self.at = at + length
        return tag, data[at : self.at], data[start : self.at]

    def take(self, tag):
        found, content, _ = self.any()
        if found != tag:
            raise ValueError(f"the key has a value of type {found} where one of type {tag} is expected")
        return content

    def sequence(self):
        return Reader(self.take(SEQUENCE))

    def integer(self):
        content = self.take(INTEGER)
        if not content:
            raise ValueError("the key has an empty number")
        return int.from_bytes(content, signed=True)

    def octets(self):
        return self.take(OCTETS)

    def bits(self):
        content = self.take(BITS)
        if not content or content[0]:
            raise ValueError("the key has bits that are not whole bytes")
        return content[1:]

    def oid(self):
        return oid_text(self.take(OID))


def value(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size) + content


def sequence(*parts):
    return value(SEQUENCE, b"".join(parts))


def integer(number):
    return value(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, signed=True))


def octets(content):
    return value(OCTETS, content)


def bits(content):
    return value(BITS, b"\0" + content)


def null():
    return value(NULL, b"")


def oid(text):
    first, second, *rest = map(int, text.split("."))
    content = b""
    for number in (first * 40 + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return value(OID, content)


def oid_text(content):
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise ValueError("the key has an empty name of an algorithm")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - first * 40, *numbers[1:])))


_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n(.*?)-----END \1-----", re.DOTALL)


def from_pem(text):
    """The blocks of a PEM text: label, headers, content."""
    blocks = []
    for found in _PEM.finditer(text):
        label, body = found[1].decode(), found[2]
        headers = {}
        lines = body.strip().splitlines()
        while lines and b":" in lines[0]:
            name, _, said = lines.pop(0).partition(b":")
            headers[name.strip().decode("latin-1")] = said.strip().decode("latin-1")
        try:
            content = base64.b64decode(b"".join(line.strip() for line in lines), validate=True)
        except ValueError:
            raise ValueError("the key is not in PEM: its content cannot be read") from None
        blocks.append((label, headers, content))
    return blocks


def to_pem(label, content):
    text = base64.b64encode(content).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
