"""How a failure is told: type, message and a traceback with the user's lines only.

Everything about an exception may be hostile: its `__str__`, its notes, its chain of causes, its class. So attributes
are read through CPython's own descriptors, every text is bounded, chains and groups are bounded in length and depth,
and what cannot be told is told shorter; nothing here lets an exception out.
"""

from .kept import __builtins__

import errno
import io
import linecache
import os
import sys
import tokenize
import traceback
from itertools import islice
from types import CodeType, TracebackType

from . import stdlib
from .errors import NO_ROOM
from .source import is_compiled
from .text import clean, type_name

MESSAGE_LIMIT = 8 * 1024
TRACEBACK_LIMIT = 32 * 1024
NOTES_LIMIT = 20
FRAMES_LIMIT = 60
CHAIN_LIMIT = 20
GROUP_WIDTH = 15
GROUP_DEPTH = 10

_HARNESS = os.path.dirname(__file__) + "/"
_REPEATS_SHOWN = 3

_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_suppress_context = BaseException.__dict__["__suppress_context__"].__get__
_traceback = BaseException.__dict__["__traceback__"].__get__
_members = BaseExceptionGroup.__dict__["exceptions"].__get__
_exit_code = SystemExit.__dict__["code"].__get__
_os_errno = OSError.__dict__["errno"].__get__
_os_filename = OSError.__dict__["filename"].__get__

_next = TracebackType.__dict__["tb_next"].__get__
_positions = CodeType.co_positions
_FrameSummary = traceback.FrameSummary
_format_frame = traceback.StackSummary().format_frame_summary
_SyntaxReport = traceback.TracebackException
_suggest = traceback._compute_suggestion_error

_SYNTAX_ERRORS = (SyntaxError, IndentationError, TabError)

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

_READ_ONLY = frozenset((errno.EROFS, errno.EPERM, errno.EACCES))
_NO_SEARCH = "the SQLite of a sandbox has no full-text search and no R*Tree: use LIKE, or an index table of your own"
_WAL = (
    "if it is one in WAL mode, copy it to /tmp and open it there (the SQLite of a sandbox has no WAL), or run PRAGMA "
    "journal_mode=DELETE where it comes from"
)
_SQLITE_READ_ONLY = frozenset(("unable to open database file", "attempt to write a readonly database"))
_WRITE_ELSEWHERE = (
    "files do not outlive a run: return the value, keep it in context.state, or write it under /output (kept with the "
    "run) or /tmp (gone afterwards)"
)


def exit_status(error):
    """What `sys.exit` was given: None or a number for a status, anything else is a message."""
    code = _exit_code(error)
    return int.__add__(code, 0) if issubclass(type(code), int) else code


def message(error):
    """The text of an exception, with advice where the sandbox is the reason for it."""
    try:
        text = clean(str(error), MESSAGE_LIMIT)
    except BaseException:
        return f"<the message of this {type_name(type(error))} cannot be shown>"
    try:
        return text + (_advice(error, text) or "")
    except BaseException:
        return text


def render(error, path, source):
    """The traceback as CPython prints it, frames of the harness and the standard library left out."""
    try:
        if is_compiled(source):
            # The text, where there is one, stands beside the code object.
            with open(path, "rb") as file:
                source = file.read()
        if not is_compiled(source):
            linecache.cache.setdefault(path, (len(source), None, _lines(source), path))
    except BaseException:
        # Without source text the lines are numbered only.
        pass
    out = _Text(TRACEBACK_LIMIT)
    try:
        _chain(error, out, 0, set())
    except BaseException:
        out.add(f"{type_name(type(error))}: {message(error)}\n")
    return out.text()


class _Text:
    """Text that stops growing at its limit."""

    def __init__(self, limit):
        self._parts = []
        self._left = limit

    def add(self, text, margin=""):
        if self._left <= 0:
            return
        text = clean(text, TRACEBACK_LIMIT)
        if margin:
            text = "".join(margin + line for line in text.splitlines(keepends=True))
        if len(text) > self._left:
            text = text[: self._left] + "\n… (the traceback was cut here)\n"
        self._left -= len(text)
        self._parts.append(text)

    def text(self):
        return "".join(self._parts)


def _chain(error, out, depth, seen):
    """Writes an exception, after those it came from. `depth` counts the groups around it."""
    links = []
    follows = ""
    while error is not None and id(error) not in seen and len(links) < CHAIN_LIMIT:
        seen.add(id(error))
        links.append((error, follows))
        if (cause := _cause(error)) is not None:
            error, follows = cause, _CAUSE
        elif _suppress_context(error):
            error = None
        else:
            error, follows = _context(error), _CONTEXT
    margin = _margin(depth)
    if error is not None and id(error) not in seen:
        out.add("… (earlier exceptions are not shown)\n\n", margin)
    for error, follows in reversed(links):
        if issubclass(type(error), BaseExceptionGroup):
            _group(error, out, depth, seen)
        else:
            _single(error, out, "Traceback (most recent call last):\n", margin, margin)
        out.add(follows, margin)


def _single(error, out, heading, margin, first_margin):
    """Writes one exception: where, what, and its notes."""
    frames = _frames(error)
    if frames:
        out.add(heading, first_margin)
        for line in frames:
            out.add(line, margin)
    out.add(_what(error), margin)
    for note in _notes(error):
        out.add(note + "\n", margin)


def _group(error, out, depth, seen):
    """Writes a group as CPython draws it: its members below it, each behind its own bar."""
    inner = max(depth, 1)
    indent = "  " * inner
    first = indent + "+ " if depth == 0 else _margin(depth)
    _single(error, out, "Exception Group Traceback (most recent call last):\n", _margin(inner), first)
    if inner > GROUP_DEPTH:
        out.add("… (deeper groups are not shown)\n", _margin(inner))
        return
    members = _members(error)
    shown = members[:GROUP_WIDTH]
    for place, member in enumerate(shown, 1):
        out.add(f"{indent}{'+-' if place == 1 else '  '}+---------------- {place} ----------------\n")
        _chain(member, out, inner + 1, seen)
    if len(members) > len(shown):
        out.add(f"{indent}  +---------------- … ----------------\n")
        out.add(f"and {len(members) - len(shown)} more exceptions\n", _margin(inner + 1))
    out.add(f"{indent}  +------------------------------------\n")


def _margin(depth):
    return "  " * depth + "| " if depth else ""


def _frames(error):
    """The lines of the traceback's frames that are the user's; of the library's when there are none."""
    theirs, library = [], []
    step = _traceback(error)
    while step is not None:
        code = step.tb_frame.f_code
        name = code.co_filename
        if name.startswith((stdlib.ROOT + "/", "<frozen ")):
            library.append((name, step.tb_lineno, code, step.tb_lasti))
        elif not name.startswith(_HARNESS):
            theirs.append((name, step.tb_lineno, code, step.tb_lasti))
        step = _next(step)
    steps = theirs or library

    lines = []
    same = 0
    for place, (name, number, code, instruction) in enumerate(steps):
        same = same + 1 if place and steps[place - 1][:3] == (name, number, code) else 0
        if same < _REPEATS_SHOWN:
            lines.append(_frame(name, number, code, instruction))
        elif place + 1 == len(steps) or steps[place + 1][:3] != (name, number, code):
            times = same - _REPEATS_SHOWN + 1
            lines.append(f"  [Previous line repeated {times} more time{'s' if times > 1 else ''}]\n")
    if len(lines) > FRAMES_LIMIT:
        half = FRAMES_LIMIT // 2
        lines[half:-half] = [f"  … ({len(lines) - FRAMES_LIMIT} frames are not shown)\n"]
    return lines


def _frame(name, number, code, instruction):
    """One frame with its source text, and carets under what failed."""
    try:
        where = next(islice(_positions(code), instruction // 2, None), (None, None, None, None))
        _, last, column, last_column = where
        summary = _FrameSummary(
            name, number, code.co_name, lookup_line=False, end_lineno=last, colno=column, end_colno=last_column
        )
        return _format_frame(summary)
    except Exception:
        return f'  File "{name}", line {number}, in {code.co_name}\n'


def _what(error):
    """The line that says what happened; for a syntax error also the place in the source."""
    kind = type(error)
    if kind in _SYNTAX_ERRORS:
        try:
            details = (error.filename, error.lineno, error.offset, error.text, error.end_lineno, error.end_offset)
            return "".join(_SyntaxReport(kind, kind(error.msg, details), None).format_exception_only())
        except Exception:
            pass
    text = message(error)
    name = type_name(kind)
    return f"{name}: {text}{_suggestion(error)}\n" if text else f"{name}\n"


def _suggestion(error):
    """CPython's "Did you mean", for its own exceptions."""
    kind = type(error)
    try:
        if kind in (NameError, UnboundLocalError, AttributeError) and error.name is not None:
            guess = _suggest(error, _traceback(error), error.name)
            if guess:
                return f". Did you mean: {guess!r}?"
            if kind is NameError and error.name in sys.stdlib_module_names:
                return f". Did you forget to import {error.name!r}?"
        elif kind is ImportError and error.name_from is not None:
            guess = _suggest(error, _traceback(error), error.name_from)
            if guess:
                return f". Did you mean: {guess!r}?"
    except Exception:
        pass
    return ""


def _notes(error):
    try:
        notes = error.__notes__
        if type(notes) is not list:
            return []
        return [clean(note, MESSAGE_LIMIT) for note in notes[:NOTES_LIMIT] if issubclass(type(note), str)]
    except BaseException:
        return []


def _advice(error, text):
    """What to do about an error that the sandbox's rules caused, or None."""
    kind = type(error)
    if issubclass(kind, OSError) and _os_errno(error) in _READ_ONLY and _is_under_app(_os_filename(error)):
        return f": {_WRITE_ELSEWHERE}"
    if issubclass(kind, OSError) and _is_full(error) and NO_ROOM not in text:
        return f": {NO_ROOM}"
    if kind.__name__ == "OperationalError" and text.startswith("no such module: "):
        return f": {_NO_SEARCH}"
    if kind.__name__ == "DatabaseError" and text == "file is not a database":
        return f": {_WAL}"
    if kind.__name__ == "OperationalError" and text in _SQLITE_READ_ONLY:
        return f": {_WRITE_ELSEWHERE}"
    return None


def _is_full(error):
    # WASI's streams carry no error number, so that a write that finds no room arrives as EIO. No other write fails so.
    number = _os_errno(error)
    return number == errno.ENOSPC or (number == errno.EIO and _os_filename(error) is None)


def _is_under_app(name):
    if type(name) is bytes:
        name = os.fsdecode(name)
    # A relative name is one of the working directory, as long as the script has not left it.
    return type(name) is str and (os.path.abspath(name) + "/").startswith("/app/")


def _lines(source):
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    with io.TextIOWrapper(io.BytesIO(source), encoding, errors="replace", line_buffering=True) as text:
        return text.readlines()
