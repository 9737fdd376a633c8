"""The run's arguments: from JSON to the call."""

from .kept import __builtins__

import inspect
import json
from types import FunctionType

from .errors import ArgumentError

_decode = json.JSONDecoder().decode
_EMPTY = ((), {})


def read(text):
    """The positional and keyword arguments: an array gives the first, an object the second."""
    if text in ("{}", "[]", ""):
        return _EMPTY
    try:
        value = _decode(text)
    except ValueError as error:
        raise ArgumentError(f"the arguments are not valid JSON: {error}") from None
    if type(value) is dict:
        return (), value
    if type(value) is list:
        return tuple(value), {}
    raise ArgumentError("the arguments must be a JSON object (names and values) or an array (values in order)")


def wants_context(function, positional, keywords):
    """Whether a parameter `context` is there and not filled by the arguments."""
    if "context" in keywords:
        return False
    if type(function) is FunctionType and "__wrapped__" not in function.__dict__:
        code = function.__code__
        count = code.co_argcount
        names = code.co_varnames[: count + code.co_kwonlyargcount]
        if "context" not in names:
            return False
        place = names.index("context")
        return place >= count or place >= len(positional)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    if "context" not in parameters:
        return False
    parameter = parameters["context"]
    if parameter.kind is parameter.VAR_POSITIONAL or parameter.kind is parameter.VAR_KEYWORD:
        return False
    return parameter.kind is parameter.KEYWORD_ONLY or list(parameters).index("context") >= len(positional)


def misfit(function, name, positional, keywords):
    """What is wrong with the arguments, as an exception that names the parameter; None when they fit.

    Asked only after a call has failed: working it out beforehand would cost every run.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        reason = str(error)
    else:
        return None

    parameters = list(signature.parameters.values())
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    by_name = {p.name for p in named if p.kind is not p.POSITIONAL_ONLY}
    by_place = [p for p in named if p.kind is not p.KEYWORD_ONLY]
    takes = ", ".join(p.name for p in named if p.name != "context" or "context" in keywords)
    takes = f"it takes: {takes}" if takes else "it takes no arguments"

    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for key in keywords:
            if key not in by_name:
                return ArgumentError(f"{name}() has no parameter {key!r}; {takes}")
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters) and len(positional) > len(by_place):
        return ArgumentError(f"{name}() was given {len(positional)} arguments; {takes}")
    for p in by_place[: len(positional)]:
        if p.name in keywords and p.kind is not p.POSITIONAL_ONLY:
            return ArgumentError(f"{name}() was given {p.name!r} twice")
    filled = {p.name for p in by_place[: len(positional)]} | keywords.keys()
    absent = [p.name for p in named if p.default is p.empty and p.name not in filled]
    if absent:
        noun = "argument" if len(absent) == 1 else "arguments"
        return ArgumentError(f"{name}() is missing the {noun} {', '.join(map(repr, absent))}; {takes}")
    return ArgumentError(f"{name}(): {reason}; {takes}")


def text_notes(text_names, keywords):
    """Advice for a TypeError in the script: which arguments came as text from the command line though they look like
    something else."""
    notes = []
    for key in text_names:
        value = keywords.get(key)
        if type(value) is str and (kind := _looks_like(value)):
            notes.append(f"argument {key!r} was given as text; for {kind} write --arg {key}:={value}")
    return notes


def _looks_like(text):
    if len(text) > 64:
        return None
    try:
        value = _decode(text)
    except (ValueError, RecursionError):
        return None
    if value is None or type(value) is bool:
        return f"the value {text}"
    return "a number" if type(value) in (int, float) else "a list or object" if type(value) in (list, dict) else None
