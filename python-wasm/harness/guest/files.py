"""Opening files: `open` as it is, but for what WASI's streams cannot say.

A write that finds no room comes back from WASI's streams without a reason; the paths of the three standard streams do
not exist there; and standard input comes from the node.
"""

from .kept import __builtins__

import _io
import errno
import io
import os as _os
from importlib import import_module
from types import MethodType

from . import permissions, streams
from .errors import NO_ROOM

_NO_ROOM = f"No space left on device: {NO_ROOM}"
_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/0": 0, "/dev/fd/1": 1, "/dev/fd/2": 2}
_WRITES = frozenset("wax+")
_MODES = frozenset("rwaxbt+")

_open = _io.open
_raw_write = _io.FileIO.write
_raw_truncate = _io.FileIO.truncate
_os_write = _os.write
_os_read = _os.read


def _reason(error):
    """The same error with the number that the system meant."""
    if error.errno == errno.EIO:
        return OSError(errno.ENOSPC, _NO_ROOM)
    if error.errno == errno.ENOSPC:
        return OSError(errno.ENOSPC, _NO_ROOM, error.filename)
    return error


class FileIO(_io.FileIO):
    """A file that is open for writing."""

    def write(self, data, /):
        try:
            return _raw_write(self, data)
        except OSError as error:
            raise _reason(error) from None

    def truncate(self, size=None, /):
        try:
            return _raw_truncate(self, size)
        except OSError as error:
            raise _reason(error) from None

    def __reduce_ex__(self, protocol, /):
        raise TypeError("cannot pickle '_io.FileIO' instances")


FileIO.__module__ = "_io"


class _Module:
    """What `open` is bound to, as a function in C is to its module: stored in a class it must not become a method."""

    def __reduce__(self):
        return import_module, ("_io",)


def open(_, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    if type(file) is str and file in _STREAMS:
        # A stream has no end to look for, and nothing to cut.
        file, closefd = _STREAMS[file], False
        mode = mode.replace("a", "w").replace("x", "w") if type(mode) is str else mode
    if type(mode) is not str or not _is_write(mode, buffering, encoding, errors, newline):
        if type(file) is int and file == 0 and mode in ("r", "rt", "rb", "br", "tr"):
            return streams.standard_input("b" in mode, encoding, errors, newline)
        try:
            return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        except OSError as error:
            raise _reason(error) from None
    binary = "b" in mode
    new = not permissions.is_usual() and type(file) is not int and not _os.access(file, _os.F_OK)
    if not isinstance(file, int):
        file = _os.fspath(file)
    try:
        raw = FileIO(file, mode.replace("b", "").replace("t", ""), closefd, opener)
    except OSError as error:
        raise _reason(error) from None
    opened = raw
    try:
        if new:
            permissions.made(raw.fileno(), 0o666)
        by_line = buffering == 1 and not binary
        if buffering == 0:
            return raw
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        opened = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw, size)
        if binary:
            return opened
        text = opened = io.TextIOWrapper(opened, io.text_encoding(encoding), errors, newline, by_line)
        text.mode = mode
        return text
    except BaseException:
        opened.close()
        raise


def _is_write(mode, buffering, encoding, errors, newline):
    """Whether this is a valid request to write; an invalid one is left to CPython, which says what is wrong."""
    letters = set(mode)
    if not letters & _WRITES or not letters <= _MODES or len(letters) != len(mode):
        return False
    if len(letters & set("rwax")) != 1 or letters >= {"b", "t"}:
        return False
    if "b" in letters:
        return encoding is None and errors is None and newline is None and buffering != 1
    return buffering != 0


def write(fd, data, /):
    try:
        return _os_write(fd, data)
    except OSError as error:
        raise (_reason(error) if fd > 2 else error) from None


def read(fd, length, /):
    return streams.read_input(length) if fd == 0 else _os_read(fd, length)


def sync():
    """All files are in memory."""


def install(builtins):
    """Puts it into the modules that hand it out."""
    open.__module__ = "_io"
    bound = MethodType(open, _Module())
    for module in (builtins, io, _io):
        module.open = bound


def adapt_os(os):
    for function in (read, write, sync):
        function.__module__ = "os"
        setattr(os, function.__name__, function)
