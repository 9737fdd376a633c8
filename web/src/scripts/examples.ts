/** Scripts to begin with. */

/** What an empty editor has. */
export const START = `def run(name: str = "world"):
    """Say hello.

    Args:
        name: Who is greeted.
    """
    print("Hello", name)
    return {"greeting": f"Hello {name}", "length": len(name)}
`

/** A script whose results are worth a chart: it needs no network, and each run goes on from the last. */
export const PRICE = `import random
from typing import Literal


def run(context, symbol: Literal["TEA", "COFFEE", "COCOA"] = "TEA", step: float = 1.5):
    """Track a price.

    This example makes the price up. Put a request to a real source in its place: a script
    reaches the hosts that it names in "allow" and that were granted.

    Args:
        symbol: What the price is of.
        step: How far the price moves at most from run to run.
    """
    prices = context.state.setdefault("prices", {})
    before = prices.get(symbol, 100.0)
    price = round(max(1.0, before + random.uniform(-step, step)), 2)
    prices[symbol] = price
    print(f"{symbol}: {before} -> {price}")
    return {"symbol": symbol, "price": price, "change": round(price - before, 2)}

`

/** The name of the example; with a number where the name is taken. */
export const EXAMPLE = 'example-price'
