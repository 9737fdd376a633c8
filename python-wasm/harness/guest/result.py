"""From what the entry returned to JSON text.

Most results are plain dicts, lists, text and numbers: they are checked level by level with C functions and written by
the C encoder. What the check does not know goes through `_Writer`, which walks without recursion, converts the types
the contract lists, and names type and place of what it cannot take. Both are bounded by depth and by the size of the
text before it is made: a value of a few kilobytes can hold the same list a thousand times, and that a thousand times.
"""

from .kept import __builtins__

from collections import OrderedDict, deque
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain
from json.encoder import c_make_encoder
from math import isfinite
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from uuid import UUID

from .errors import ResultError
from .text import clean, quote, quote_within, type_name

MAX_DEPTH = 100
"""Levels of lists and objects in a result. CPython's encoder recurses, and the host's parser has its own bound."""

_encode = c_make_encoder(None, None, quote, None, ":", ",", False, False, False)

_LEAVES = frozenset((str, int, float, bool, type(None)))
_PLAIN = _LEAVES | {dict, list, tuple}
_FEW = 60
"""Items in a small result. Fewer than MAX_DEPTH, so that it cannot be too deep either."""

_SMALL = 64 * 1024
_TEXT_ONLY = frozenset((str,))
_DECIMALS_PER_BIT = 0.30102
_namespace = type.__dict__["__dict__"].__get__

_HINTS = {
    GeneratorType: "return list(...) of it",
    AsyncGeneratorType: "collect it with [item async for item in ...]",
    CoroutineType: "await it",
    bytes: "decode it, or encode it with base64",
    bytearray: "decode it, or encode it with base64",
    range: "return list(...) of it",
    map: "return list(...) of it",
    filter: "return list(...) of it",
    zip: "return list(...) of it",
    deque: "return list(...) of it",
    timedelta: "return its total_seconds()",
    complex: "return its real and imag parts",
}


def to_json(value, limit):
    """The JSON text of `value`, at most `limit` bytes as UTF-8."""
    if _is_small(value) or _is_plain(value, limit):
        try:
            text = "".join(_encode(value, 0))
            size = len(text) if text.isascii() else len(text.encode())
        except (ValueError, RecursionError):
            # NaN, a number with too many digits, a lone surrogate: the writer says where.
            pass
        else:
            if size > limit:
                raise _too_large(size, limit)
            return text
    return _Writer(limit).write(value)


def to_json_or_text(value, limit):
    """The JSON text of `value`, and True; where it is no JSON, the JSON text of its `str()`, cut at the limit, and
    False."""
    writer = _Writer(limit)
    try:
        return writer.write(value), True
    except ResultError:
        if writer.is_deep():
            # str() recurses without a bound of its own, and would overrun the stack.
            raise
    return quote_within(str(value), limit), False


def _is_small(value):
    """`_is_plain` for the usual result of a few items, where setting up the passes would cost more than they do."""
    left = _FEW
    size = 0
    todo = [value]
    for item in todo:
        kind = type(item)
        if kind is str:
            size += len(item)
        elif kind is dict:
            left -= len(item)
            if left < 0:
                return False
            for key in item:
                if type(key) is not str:
                    return False
                size += len(key)
            todo += item.values()
        elif kind is list or kind is tuple:
            left -= len(item)
            if left < 0:
                return False
            todo += item
        elif kind is int:
            size += item.bit_length()
        elif kind not in _LEAVES:
            return False
    return size < _SMALL


def _is_plain(value, limit):
    """Whether the encoder may have `value`: only exact built-in types, text as keys, neither too deep nor so large that
    making the text would cost more than refusing it."""
    level = [value]
    least = 0
    for _ in range(MAX_DEPTH + 1):
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            return False
        if str in kinds:
            least += sum(map(len, [item for item in level if type(item) is str]))
        if int in kinds:
            bits = sum(map(int.bit_length, [item for item in level if type(item) is int]))
            least += int(bits * _DECIMALS_PER_BIT)
        lists = [item for item in level if type(item) is list or type(item) is tuple]
        objects = [item for item in level if type(item) is dict]
        if not lists and not objects:
            return least <= limit or _refuse_size(least, limit)
        # An item is a byte and a comma at the least.
        least += 2 * sum(map(len, lists))
        if objects:
            keys = list(chain.from_iterable(objects))
            if not set(map(type, keys)) <= _TEXT_ONLY:
                return False
            least += sum(map(len, keys)) + 5 * len(keys)
        if least > limit:
            _refuse_size(least, limit)
        level = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, objects))]
    return False


def _refuse_size(size, limit):
    raise _too_large(size, limit, "at least ")


def _too_large(size, limit, about=""):
    return ResultError(f"the result is {about}{size:,} bytes of JSON; the limit is {limit:,}")


class _Writer:
    """Writes one value. Every list or object being written is a frame on a stack of its own."""

    def __init__(self, limit):
        self._limit = limit
        self._size = 0
        self._parts = []
        self._frames = []

    def write(self, value):
        frames = self._frames
        within = set()
        while True:
            inner = self._begin(value)
            if inner is not None:
                mark, items, keyed = inner
                if id(value) in within:
                    raise self._error("it contains itself")
                if len(frames) == MAX_DEPTH:
                    raise self._error(f"it is nested more than {MAX_DEPTH} levels deep")
                self._add(mark[0])
                within.add(id(value))
                frames.append(_Frame(value, iter(items), mark[1], keyed))
            while frames:
                frame = frames[-1]
                try:
                    item = next(frame.items)
                except StopIteration:
                    self._add(frame.end)
                    frames.pop()
                    within.discard(id(frame.value))
                    continue
                except Exception as error:
                    raise self._error(f"{type_name(type(frame.value))} could not be read") from error
                if frame.count:
                    self._add(",")
                if frame.keyed:
                    key, value = item
                    # What is wrong with a key is told of the object it is in.
                    frame.place = None
                    frame.place = self._key(key, frame)
                    self._add(self._text(frame.place) + ":")
                else:
                    value = item
                    frame.place = str(frame.count)
                frame.count += 1
                break
            else:
                return "".join(self._parts)

    def is_deep(self):
        """Whether the writer stopped at the deepest level."""
        return len(self._frames) == MAX_DEPTH

    def _begin(self, value):
        """Writes a value that holds no others and returns None; else what encloses and what is in it."""
        kind = type(value)
        if value is None:
            self._add("null")
        elif kind is bool:
            self._add("true" if value else "false")
        elif issubclass(kind, str):
            self._add(self._text(value))
        elif issubclass(kind, int):
            self._add(self._integer(value))
        elif issubclass(kind, float):
            if not isfinite(value):
                raise self._error(f"the float {float.__repr__(value)} has no JSON form: return None or a text instead")
            self._add(float.__repr__(value))
        elif issubclass(kind, dict):
            return "{}", (OrderedDict if issubclass(kind, OrderedDict) else dict).items(value), True
        elif issubclass(kind, list):
            return "[]", list.__iter__(value), False
        elif issubclass(kind, tuple):
            return "[]", tuple.__iter__(value), False
        elif issubclass(kind, (set, frozenset)):
            return "[]", _in_order((set if issubclass(kind, set) else frozenset).__iter__(value)), False
        elif issubclass(kind, (datetime, date, time)):
            self._add(self._text(self._read(value, "isoformat")))
        elif issubclass(kind, (Decimal, UUID)):
            self._add(self._text(self._read(value, "__str__")))
        elif not issubclass(kind, type) and _is_dataclass(kind):
            return "{}", _fields(value), True
        else:
            raise self._error(f"{type_name(type(value))} has no JSON form{_hint(value)}")
        return None

    def _read(self, value, method):
        try:
            text = getattr(value, method)()
        except Exception as error:
            raise self._error(f"{type_name(type(value))} could not be read") from error
        if not issubclass(type(text), str):
            raise self._error(f"{type_name(type(value))} could not be read: its {method}() gave no text")
        return text

    def _text(self, value):
        text = str.__str__(value)
        if len(text) > self._limit:
            _refuse_size(self._size + len(text), self._limit)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self._error(
                f"the text holds a lone surrogate ({text[error.start]!r} at character {error.start}), "
                "which is not valid Unicode"
            ) from None
        return quote(text)

    def _integer(self, value):
        digits = int(int.bit_length(value) * _DECIMALS_PER_BIT)
        if digits > self._limit:
            _refuse_size(self._size + digits, self._limit)
        try:
            return int.__repr__(value)
        except ValueError:
            raise self._error(f"an integer of about {digits:,} digits is too long: return it as text") from None

    def _key(self, key, frame):
        """The text of a key: numbers, booleans and None become text as the json module makes them."""
        kind = type(key)
        if issubclass(kind, str):
            text = str.__str__(key)
        elif key is None:
            text = "null"
        elif kind is bool:
            text = "true" if key else "false"
        elif issubclass(kind, int):
            text = self._integer(key)
        elif issubclass(kind, float):
            if not isfinite(key):
                raise self._error(f"the key {float.__repr__(key)} has no JSON form")
            text = float.__repr__(key)
        else:
            raise self._error(f"a key of type {type_name(type(key))} has no JSON form: use text as keys")
        if text in frame.keys:
            raise self._error(f"two keys become {text!r} in JSON")
        frame.keys.add(text)
        return text

    def _add(self, part):
        self._size += len(part) if part.isascii() else len(part.encode())
        if self._size > self._limit:
            _refuse_size(self._size, self._limit)
        self._parts.append(part)

    def _error(self, what):
        places = [frame.place for frame in self._frames if frame.place is not None]
        pointer = "".join("/" + place.replace("~", "~0").replace("/", "~1") for place in places)
        return ResultError(f"at {clean(pointer, 200)}: {what}" if pointer else f"the result cannot be taken: {what}")


class _Frame:
    __slots__ = ("value", "items", "end", "keyed", "keys", "count", "place")

    def __init__(self, value, items, end, keyed):
        self.value = value
        self.items = items
        self.end = end
        self.keyed = keyed
        self.keys = set()
        self.count = 0
        self.place = ""


def _in_order(items):
    """Sorted where the items can be compared, so that the same set gives the same text."""
    items = [*items]
    try:
        return sorted(items)
    except Exception:
        return items


def _is_dataclass(kind):
    return any("__dataclass_fields__" in _namespace(base) for base in type.mro(kind))


def _fields(value):
    for field in fields(type(value)):
        yield field.name, getattr(value, field.name)


def _hint(value):
    if issubclass(type(value), Enum):
        return ": return its value"
    hint = _HINTS.get(type(value))
    return f": {hint}" if hint else ""
