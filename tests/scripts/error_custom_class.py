# expect: failed error=OutOfStock message='none left of ACME'
# A class of the script's own is named as it is.
class OutOfStock(Exception):
    def __init__(self, symbol):
        super().__init__(f"none left of {symbol}")


def run():
    raise OutOfStock("ACME")
