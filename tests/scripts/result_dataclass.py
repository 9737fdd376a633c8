# expect: succeeded result='{"symbol": "ACME", "when": "2026-01-02", "lots": [{"size": 10, "price": "1.5"}]}'
# Dataclasses become objects, nested ones too.
import dataclasses
import datetime
import decimal


@dataclasses.dataclass
class Lot:
    size: int
    price: decimal.Decimal


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    symbol: str
    when: datetime.date
    lots: list[Lot]


def run():
    return Order("ACME", datetime.date(2026, 1, 2), [Lot(10, decimal.Decimal("1.5"))])
