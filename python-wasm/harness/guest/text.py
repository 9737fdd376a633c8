"""Text that leaves the sandbox: exactly `str`, valid Unicode, bounded."""

from .kept import __builtins__

from json.encoder import encode_basestring as quote

_slice = str.__getitem__
_module = type.__dict__["__module__"].__get__
_qualname = type.__dict__["__qualname__"].__get__


def clean(text, limit):
    """`text` with at most `limit` characters, a mark where it was cut, and no lone surrogates. Subclasses of `str` are
    turned into `str` without calling anything of theirs."""
    length = str.__len__(text)
    text = _slice(text, slice(0, limit))
    if length > limit:
        text += f"… ({length - limit} more characters)"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def quote_within(text, limit):
    """`text` as a JSON string of at most `limit` bytes, cut with a mark where it is longer."""
    whole = str.__len__(text)
    room = min(whole, limit)
    while True:
        quoted = quote(clean(text, room))
        size = len(quoted.encode())
        if size <= limit:
            return quoted
        if room == 0:
            return '""'
        room = min(room - 1, room * limit // size)


def type_name(kind):
    """A type as CPython prints it in tracebacks. Asked of `type` itself: a metaclass may lie, or raise."""
    name = _qualname(kind)
    module = _module(kind)
    if type(module) is str and module not in ("builtins", "__main__"):
        name = f"{module}.{name}"
    return clean(name, 200)
