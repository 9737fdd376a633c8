"""Standard input, output and error."""

from .kept import __builtins__

import base64
import io
import json
import sys

from . import host

_used = False
_installed = ()


def install():
    """Replaces the streams that were made while the interpreter was built.

    Those are unbuffered, so that `print` would cross to the host twice a line. These write at each end of line: output
    is delivered while the script writes it. Lone surrogates are escaped instead of ending the script.
    """
    global _installed
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(descriptor, "w", closefd=False)
        raw.name = f"<{name}>"
        if descriptor == 1:
            _notice_first_write(raw)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True
        )
        stream.mode = "w"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    _installed = (sys.stdout, sys.stderr)
    sys.stdin = sys.__stdin__ = standard_input(False, "utf-8", "surrogateescape", None)


_NO_INPUT = "this run has no standard input: give it some (--stdin FILE, or `stdin` in the request), or take an argument"
_raw_input = None


class _Input(io.RawIOBase):
    """What the run was given to read. It comes from the node, part by part, when the script asks for it."""

    name = "<stdin>"
    mode = "rb"

    def __init__(self):
        self._offset = 0
        self._left = b""
        self._ended = False

    def readable(self):
        return True

    def fileno(self):
        return 0

    def isatty(self):
        return False

    def close(self):
        """It is shared by all who opened it."""

    def readinto(self, buffer):
        if not self._left and not self._ended:
            self._fetch()
        part = self._left[: len(buffer)]
        buffer[: len(part)] = part
        self._left = self._left[len(part) :]
        return len(part)

    def _fetch(self):
        answer = json.loads(host.tell("stdin", json.dumps({"offset": self._offset})))
        if answer is None:
            raise io.UnsupportedOperation(_NO_INPUT)
        if "file" in answer:
            with open("/app/" + answer["file"], "rb") as file:
                self._left = file.read()
            self._ended = True
            return
        self._left = base64.b64decode(answer["data"])
        self._offset += len(self._left)
        self._ended = answer["end"]


def standard_input(binary, encoding, errors, newline):
    """A new stream over the run's standard input."""
    global _raw_input
    if _raw_input is None:
        _raw_input = _Input()
    buffer = io.BufferedReader(_raw_input)
    if binary:
        return buffer
    stream = io.TextIOWrapper(buffer, encoding or "utf-8", errors, newline)
    stream.mode = "r"
    return stream


def read_input(length):
    """What `os.read` finds on descriptor 0."""
    standard_input(True, None, None, None)
    return _raw_input.read(length) or b""


def adapt_builtins(builtins):
    """Has `input` say what it lacks, as the error of an input that has ended."""
    ask = builtins.input

    def input(prompt="", /):
        try:
            return ask(prompt)
        except io.UnsupportedOperation as error:
            if str(error) != _NO_INPUT:
                raise
            raise EOFError(_NO_INPUT) from None

    builtins.input = input


def used():
    """Whether anything was written to standard output, or waits in its buffer."""
    try:
        sys.stdout.flush()
    except BaseException:
        pass
    return _used


def _notice_first_write(raw):
    """Has the first write through `raw` noted; later ones go straight to the C method again."""

    def write(data):
        global _used
        _used = True
        del raw.write
        return raw.write(data)

    raw.write = write


def flush():
    """Delivers what is buffered, in the script's own streams too if it has put some in place. A stream that is closed
    or broken is the script's affair."""
    streams = (sys.stdout, sys.stderr)
    if streams != _installed:
        streams += _installed
    for stream in streams:
        try:
            stream.flush()
        except BaseException:
            pass
