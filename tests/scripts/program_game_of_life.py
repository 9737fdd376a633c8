# expect: succeeded result='{"alive": 5, "moved": true}' fuel=8e9
# A glider is a cell further down and right after four steps.
import collections


def step(cells):
    near = collections.Counter((x + dx, y + dy) for x, y in cells for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy)
    return {cell for cell, count in near.items() if count == 3 or (count == 2 and cell in cells)}


def run():
    start = cells = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
    for _ in range(40):
        cells = step(cells)
    return {"alive": len(cells), "moved": cells == {(x + 10, y + 10) for x, y in start}}
