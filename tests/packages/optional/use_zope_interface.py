# /// script
# dependencies = ["zope-interface"]
# ///
from zope.interface import Attribute, Interface, implementer
from zope.interface.verify import verifyObject


class IPrice(Interface):
    value = Attribute("how much")


@implementer(IPrice)
class Price:
    value = 3


assert IPrice.providedBy(Price()) and verifyObject(IPrice, Price())
