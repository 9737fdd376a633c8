# expect: succeeded result='{"colour": "RED", "flags": 5, "area": 12, "kind": "point at 3", "generic": [3, 2, 1]}'
# Enums, protocols, abstract classes, pattern matching, generics, type hints.
import abc
import dataclasses
import enum
import typing


class Colour(enum.StrEnum):
    RED = "RED"
    BLUE = enum.auto()


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
    RUN = enum.auto()


@typing.runtime_checkable
class Shape(typing.Protocol):
    def area(self) -> int: ...


@dataclasses.dataclass
class Box:
    width: int
    height: int

    def area(self) -> int:
        return self.width * self.height


class Base(abc.ABC):
    @abc.abstractmethod
    def price(self): ...


def reverse[T](items: list[T]) -> list[T]:
    return items[::-1]


def describe(value):
    match value:
        case {"x": int(x), **rest} if not rest:
            return f"point at {x}"
        case _:
            return "unknown"


def run():
    assert isinstance(Box(1, 1), Shape) and typing.get_type_hints(Box.area) == {"return": int}
    try:
        Base()
        raise AssertionError("an abstract class was made")
    except TypeError:
        pass
    return {
        "colour": Colour("RED"),
        "flags": (Right.READ | Right.RUN).value,
        "area": Box(3, 4).area(),
        "kind": describe({"x": 3}),
        "generic": reverse([1, 2, 3]),
    }
