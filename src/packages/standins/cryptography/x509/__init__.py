"""Certificates, as far as to their keys, times and serial number."""

import datetime
import hashlib

from cronbox import _der, _keys

from cryptography import _part
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, _formats, _key


def _time(tag, content):
    """UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5)."""
    text = content.decode("ascii")
    if tag == 0x17:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)


class Certificate:
    """A certificate. Whether it is to be believed is not looked at."""

    def __init__(self, numbers):
        self._numbers = numbers

    def public_key(self):
        return _key(self._numbers.key())

    def public_bytes(self, encoding):
        return _formats._written(encoding, "CERTIFICATE", self._numbers.data)

    def fingerprint(self, algorithm):
        return hashlib.new(hashes._name(algorithm), self._numbers.data).digest()

    @property
    def serial_number(self):
        return self._numbers.serial

    @property
    def not_valid_before_utc(self):
        return _time(*self._numbers.times[0])

    @property
    def not_valid_after_utc(self):
        return _time(*self._numbers.times[1])

    @property
    def not_valid_before(self):
        return self.not_valid_before_utc.replace(tzinfo=None)

    @property
    def not_valid_after(self):
        return self.not_valid_after_utc.replace(tzinfo=None)

    @property
    def signature(self):
        return self._numbers.signature

    @property
    def tbs_certificate_bytes(self):
        return self._numbers.signed

    def __getattr__(self, name):
        from cryptography import _sentence

        if name.startswith("_"):
            raise AttributeError(name)
        raise NotImplementedError(_sentence(f"x509.Certificate.{name}"))

    def __eq__(self, other):
        return isinstance(other, Certificate) and self._numbers.data == other._numbers.data

    def __hash__(self):
        return hash(self._numbers.data)


def load_der_x509_certificate(data, backend=None):
    return Certificate(_keys.Certificate(bytes(memoryview(data))))


def load_pem_x509_certificate(data, backend=None):
    return load_pem_x509_certificates(data)[0]


def load_pem_x509_certificates(data):
    blocks = _der.from_pem(bytes(memoryview(data)))
    found = [Certificate(_keys.Certificate(content)) for label, _, content in blocks if label.endswith("CERTIFICATE")]
    if not found:
        raise ValueError("Unable to load PEM file: there is no certificate in it")
    return found


__getattr__ = _part(__name__, ())
