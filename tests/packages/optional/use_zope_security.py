# /// script
# dependencies = ["zope-security"]
# ///
from zope.security.checker import NamesChecker, ProxyFactory
from zope.security.interfaces import ForbiddenAttribute


class Price:
    value, secret = 3, 4


proxy = ProxyFactory(Price(), NamesChecker(["value"]))
assert proxy.value == 3
try:
    proxy.secret
except ForbiddenAttribute:
    pass
else:
    raise AssertionError("it is forbidden")
