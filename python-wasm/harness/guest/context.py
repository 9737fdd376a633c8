"""The `context` object: what a run may know about itself."""

from .kept import __builtins__

import json
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from . import host, result
from .errors import ResultError, RunFailed, StateError

_decode = json.JSONDecoder().decode
_set = object.__setattr__
_TIMES = frozenset(("fire_time", "scheduled_at", "started_at", "deadline"))
_ASKED = frozenset(("previous_result", "state", "upstream"))
_NAMES = (
    "run_id",
    "script",
    "version",
    "schedule",
    "cause",
    "attempt",
    "lost_attempts",
    "fire_time",
    "scheduled_at",
    "started_at",
    "deadline",
    "timezone",
    "traceparent",
    "labels",
    "previous_result",
    "state",
    "upstream",
)


STATE_LIMIT = 64 * 1024
"""Bytes of JSON that the state may have."""


class Context:
    """Facts about this run. Times are in the run's zone; `previous_result` and `state` are fetched when touched.

    `state` is a dict that the next run of the script finds as this one leaves it, when it succeeds."""

    __slots__ = ("_text", "_facts", "_values", "_zone", "_found")

    def __init__(self, text):
        # Parsed when the first attribute is touched: many functions take a context and look at nothing, most at one
        # thing.
        _set(self, "_text", text)
        _set(self, "_facts", None)
        _set(self, "_values", {})
        _set(self, "_zone", None)
        _set(self, "_found", None)

    def now(self):
        """The current time in the run's zone."""
        return datetime.now(self._place())

    def fail(self, reason, result=None):
        """Ends the run as failed for this reason, and keeps a result. It raises, so that nothing after it is done."""
        if not isinstance(reason, str) or not reason.strip():
            raise TypeError("context.fail takes the reason as a text: context.fail('the price is 0', result=prices)")
        raise RunFailed(reason, result)

    def __getattr__(self, name):
        if name not in _NAMES:
            raise AttributeError(f"context has no attribute {name!r}; it has: {', '.join(_NAMES)}, now(), fail()")
        values = self._values
        if name not in values:
            values[name] = self._find(name)
        return values[name]

    def _find(self, name):
        if name in _ASKED:
            text = host.ask(name)
            if name == "state":
                _set(self, "_found", text)
            return _decode(text)
        value = self._all().get(name)
        if name in _TIMES and type(value) is str:
            return datetime.fromisoformat(value).astimezone(self._place())
        return value

    def _all(self):
        if self._facts is None:
            _set(self, "_facts", _decode(self._text))
        return self._facts

    def _place(self):
        if self._zone is None:
            name = self._all().get("timezone") or "UTC"
            _set(self, "_zone", timezone.utc if name == "UTC" else ZoneInfo(name))
        return self._zone

    def __setattr__(self, name, value):
        if name == "state":
            raise AttributeError("context is read-only: change what is in context.state, as in context.state.update(...)")
        raise AttributeError(f"context is read-only: {name!r} cannot be set")

    def __delattr__(self, name):
        raise AttributeError(f"context is read-only: {name!r} cannot be deleted")

    def __dir__(self):
        return [*_NAMES, "now", "fail"]

    def __repr__(self):
        return f"<context of run {self.run_id}>"


def keep_state(context):
    """Hands the state over when the script changed it; what is to be said about that, or None."""
    found = context._found
    if found is None:
        return None
    try:
        text = result.to_json(context.state, STATE_LIMIT)
    except ResultError as error:
        # Told of a result there.
        why = str(error).removeprefix("the result cannot be taken: ").replace("the result is", "it is", 1)
        raise StateError(f"context.state cannot be kept: {why}") from None
    return None if text == found else _decode(host.tell("set_state", text))
