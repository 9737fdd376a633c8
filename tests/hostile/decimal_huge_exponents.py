# expect: succeeded result='{"refused": 4}' memory=64MiB fuel=4e9
# Decimal arithmetic with exponents and precisions that would need gigabytes.
import decimal
from decimal import Decimal


def run():
    context = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
    attempts = [
        lambda: int(Decimal("1e400000000")),
        lambda: format(Decimal("1e400000000"), "f"),
        lambda: context.divide(Decimal(1), Decimal(3)),
        lambda: context.add(Decimal("1e400000000"), Decimal(1)),
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except (MemoryError, OverflowError, ValueError):
            refused += 1
    return {"refused": refused}
