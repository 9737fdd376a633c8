"""HMAC."""

import hmac

from Crypto.Hash import MD5


class HMAC:
    def __init__(self, key, msg=b"", digestmod=None):
        self._digestmod = digestmod or MD5
        self._hmac = hmac.new(bytes(memoryview(key)), digestmod=self._digestmod._name)
        self.digest_size = self._digestmod.digest_size
        if msg:
            self.update(msg)

    def update(self, msg):
        self._hmac.update(msg)
        return self

    def copy(self):
        other = HMAC(b"", digestmod=self._digestmod)
        other._hmac = self._hmac.copy()
        return other

    def digest(self):
        return self._hmac.digest()

    def hexdigest(self):
        return self._hmac.hexdigest()

    def verify(self, mac_tag):
        if not hmac.compare_digest(self.digest(), bytes(memoryview(mac_tag))):
            raise ValueError("MAC check failed")

    def hexverify(self, hex_mac_tag):
        self.verify(bytes.fromhex(hex_mac_tag))


def new(key, msg=b"", digestmod=None):
    return HMAC(key, msg, digestmod)
