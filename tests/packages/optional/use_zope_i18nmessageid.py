# /// script
# dependencies = ["zope-i18nmessageid"]
# ///
from zope.i18nmessageid import MessageFactory

message = MessageFactory("prices")("tea", default="Tea")
assert message == "tea" and message.domain == "prices" and message.default == "Tea"
