# /// script
# dependencies = ["zope-hookable"]
# ///
from zope.hookable import hookable

price = hookable(lambda: 3)
price.sethook(lambda: 4)
assert price() == 4
price.reset()
assert price() == 3
