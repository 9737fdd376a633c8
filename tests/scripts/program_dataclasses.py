# expect: succeeded result='{"orders": 3, "open": [{"symbol": "A", "size": 5}, {"symbol": "C", "size": 1}], "changed": 7}'
# Dataclasses: defaults, order, replace, frozen, slots, asdict.
import dataclasses


@dataclasses.dataclass(order=True, frozen=True, slots=True)
class Order:
    symbol: str
    size: int
    done: bool = dataclasses.field(default=False, compare=False)

    def __post_init__(self):
        if self.size <= 0:
            raise ValueError(self.size)


def run():
    orders = sorted([Order("C", 1), Order("B", 2, done=True), Order("A", 5)])
    assert [order.symbol for order in orders] == ["A", "B", "C"]
    for bad in (lambda: Order("D", 0), lambda: setattr(orders[0], "size", 9)):
        try:
            bad()
        except (ValueError, dataclasses.FrozenInstanceError):
            continue
        raise AssertionError("a bad order")
    open_orders = [{k: v for k, v in dataclasses.asdict(order).items() if k != "done"} for order in orders if not order.done]
    return {"orders": len(orders), "open": open_orders, "changed": dataclasses.replace(orders[0], size=7).size}
