# /// script
# dependencies = ["lazy-object-proxy"]
# ///
import lazy_object_proxy

calls = []
lazy = lazy_object_proxy.Proxy(lambda: calls.append(1) or [1, 2])
assert not calls and len(lazy) == 2 and calls == [1]
