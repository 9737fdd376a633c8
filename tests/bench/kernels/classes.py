from dataclasses import dataclass


@dataclass
class Point:
    x: float
    y: float

    def moved(self, dx, dy):
        return Point(self.x + dx, self.y + dy)


def run():
    point = Point(0.0, 0.0)
    for n in range(150_000):
        point = point.moved(1.0, n * 0.5)
    return point.x
