# expect: succeeded result='{"balance": "1360.31", "tax": "72.07", "thirds": "0.3333333333333333333333333333"}'
# Money with decimal: cents rounded half to even every year.
from decimal import ROUND_HALF_EVEN, Decimal, localcontext


def run():
    cent, balance, tax = Decimal("0.01"), Decimal("1000.00"), Decimal(0)
    for _ in range(10):
        interest = (balance * Decimal("0.0375")).quantize(cent, ROUND_HALF_EVEN)
        due = (interest / 6).quantize(cent, ROUND_HALF_EVEN)
        balance, tax = balance + interest - due, tax + due
    with localcontext(prec=28):
        thirds = Decimal(1) / 3
    assert Decimal("0.1") + Decimal("0.2") == Decimal("0.3")
    return {"balance": balance, "tax": tax, "thirds": thirds}
