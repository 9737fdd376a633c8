"""The terminal that is not there: debuggers say so instead of reading from nothing."""

from .kept import __builtins__

import errno

_NO_DEBUGGER = "a run has no terminal to debug in: print or log what you want to see"


def _refuse(*args, **kwargs):
    raise RuntimeError(_NO_DEBUGGER)


def adapt_pdb(pdb):
    """`breakpoint()` calls `pdb.set_trace`, unless `PYTHONBREAKPOINT` names something else."""
    for name in ("set_trace", "set_trace_async", "post_mortem", "pm", "run", "runeval", "runcall"):
        if hasattr(pdb, name):
            setattr(pdb, name, _refuse)


def adapt_os(os):
    def get_terminal_size(fd=1, /):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    get_terminal_size.__module__ = "os"
    os.get_terminal_size = get_terminal_size
