"""Standard output and error."""

from .kept import __builtins__

import io
import sys

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
