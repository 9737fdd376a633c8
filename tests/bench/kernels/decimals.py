from decimal import Decimal, getcontext


def run():
    getcontext().prec = 40
    total = Decimal(0)
    for n in range(1, 60_000):
        total += Decimal(1) / n
    return str(total)[:20]
