import support  # noqa: F401  (first: it makes `guest` importable)

import enum
import json
import unittest
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

from guest.errors import ResultError
from guest.result import MAX_DEPTH, to_json, to_json_or_text

LIMIT = 1 << 20


@dataclass
class Point:
    x: int
    y: object = None


class EvilList(list):
    def __iter__(self):
        raise RuntimeError

    def __len__(self):
        return 10**9


class EvilDict(dict):
    def items(self):
        raise RuntimeError

    __iter__ = items


class EvilInt(int):
    def __repr__(self):
        return "forged"


class EvilText(str):
    def encode(self, *args):
        raise RuntimeError

    __len__ = __str__ = encode


class Disguised:
    @property
    def __class__(self):
        return dict


class Unreadable:
    __dataclass_fields__ = Point.__dataclass_fields__

    @property
    def x(self):
        raise RuntimeError("not now")


class Taken(unittest.TestCase):
    def test_plain_values_are_what_json_makes_of_them(self):
        for value in (
            None,
            True,
            0,
            -1,
            1.5,
            -0.0,
            1e22,
            "",
            'é"\n😀',
            [],
            {},
            [[]],
            {"a": [1, {"b": None}]},
            (1, (2,)),
        ):
            self.assertEqual(to_json(value, LIMIT), json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def test_large_values_take_the_other_path_to_the_same_text(self):
        value = [{"n": n, "text": "é" * n, "more": [n, None, 1.5]} for n in range(100)]
        self.assertEqual(json.loads(to_json(value, LIMIT)), value)

    def test_the_listed_types_have_a_form(self):
        noon = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
        for value, text in (
            (date(2026, 1, 2), '"2026-01-02"'),
            (time(9, 30), '"09:30:00"'),
            (noon, '"2026-01-02T12:00:00+00:00"'),
            (Decimal("1.50"), '"1.50"'),
            (uuid.UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
            ({3, 1, 2}, "[1,2,3]"),
            (frozenset("ba"), '["a","b"]'),
            (Point(1, [Point(2)]), '{"x":1,"y":[{"x":2,"y":null}]}'),
            (namedtuple("Pair", "a b")(1, 2), "[1,2]"),
            (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
            (enum.IntEnum("Level", "LOW").LOW, "1"),
            ({1: "a", None: "b", False: "c", 1.5: "d"}, '{"1":"a","null":"b","false":"c","1.5":"d"}'),
        ):
            self.assertEqual(to_json(value, LIMIT), text)
            self.assertEqual(to_json([value], LIMIT), f"[{text}]")

    def test_subclasses_cannot_lie(self):
        self.assertEqual(to_json([EvilList([1]), EvilDict(a=EvilInt(5)), EvilText("t")], LIMIT), '[[1],{"a":5},"t"]')


class Refused(unittest.TestCase):
    def refuse(self, value, *parts, limit=LIMIT):
        with self.assertRaises(ResultError) as caught:
            to_json(value, limit)
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def test_type_and_place_are_named(self):
        self.refuse(b"x", "bytes")
        self.refuse({"a/b": [1, {"~": object()}]}, "at /a~1b/1/~0:", "object")
        self.refuse([timedelta(1)], "at /0:", "total_seconds()")
        self.refuse([n for n in (object(),)], "at /0:")
        self.refuse((n for n in ()), "generator", "list(...)")
        self.refuse(enum.Enum("Colour", "RED").RED, "return its value")
        self.refuse([Disguised()], "Disguised")
        self.refuse(Point, "type")

    def test_what_json_cannot_say(self):
        self.refuse([1.0, float("nan")], "at /1:", "nan")
        self.refuse({"a": float("-inf")}, "at /a:", "-inf")
        self.refuse(["\ud800"], "at /0:", "surrogate")
        self.refuse(10**5000, "digits")
        self.refuse({float("nan"): 1}, "key")

    def test_keys(self):
        self.refuse({"rows": {(1, 2): 3}}, "at /rows:", "key of type tuple")
        self.refuse({1: "a", "1": "b"}, "two keys become '1'")

    def test_loops_and_depth(self):
        loop = []
        loop.append({"again": loop})
        self.refuse(loop, "contains itself")
        deep = []
        for _ in range(MAX_DEPTH - 1):
            deep = [deep]
        self.assertEqual(to_json(deep, LIMIT), "[" * MAX_DEPTH + "]" * MAX_DEPTH)
        self.refuse([deep], "levels deep")

    def test_size(self):
        self.refuse("x" * 100, "102 bytes", "100", limit=100)
        self.refuse(["é" * 50], "100", limit=100)
        shared = [0] * 10
        for _ in range(30):
            shared = [shared] * 10
        self.refuse(shared, "at least")
        self.refuse(["x" * 1000] * 100_000, "at least")
        self.refuse([{n} for n in range(100)], "at least", limit=200)

    def test_what_cannot_be_read(self):
        self.refuse([Unreadable()], "at /0", "could not be read")


class Text(unittest.TestCase):
    def test_json_stays_json(self):
        self.assertEqual(to_json_or_text({"a": [1]}, LIMIT), ('{"a":[1]}', True))

    def test_anything_else_is_its_str(self):
        self.assertEqual(to_json_or_text([b"x"], LIMIT), ("\"[b'x']\"", False))

    def test_is_cut_at_the_limit(self):
        for text in ("x" * 1000, "é" * 1000, "\0" * 1000, "\ud800" * 1000):
            kept, is_json = to_json_or_text(text, 200)
            self.assertFalse(is_json)
            self.assertLessEqual(len(kept.encode()), 200)
            self.assertIn("more characters", json.loads(kept))
        self.assertEqual(to_json_or_text("x" * 100, 2), ('""', False))

    def test_what_is_too_deep_for_str_is_refused(self):
        deep = []
        for _ in range(100_000):
            deep = [deep]
        with self.assertRaises(ResultError):
            to_json_or_text(deep, LIMIT)
        while deep:
            deep = deep.pop()
