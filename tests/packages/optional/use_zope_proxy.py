# /// script
# dependencies = ["zope-proxy"]
# ///
from zope.proxy import ProxyBase, removeAllProxies

proxy = ProxyBase([1, 2])
assert len(proxy) == 2 and type(removeAllProxies(proxy)) is list
