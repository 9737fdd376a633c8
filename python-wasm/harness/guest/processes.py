"""Processes, which a sandbox does not have."""

from .kept import __builtins__

import errno
import sys
from opcode import opmap

_SENTENCE = "processes cannot be started in a sandbox: call Python functions instead of programs, or start several runs"
_FUNCTIONS = frozenset(
    "execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg posix_spawn posix_spawnp spawnl "
    "spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe".split()
)
"""Functions whose absence programs find out by `hasattr`."""
_REFUSED = "openpty pipe popen system wait wait3 wait4 waitid waitpid".split()


_NO_SIGNALS = "no signal reaches a sandbox: use the run's timeout, asyncio.timeout(), or the timeout of the call"
_TIMERS = frozenset("alarm getitimer pause pthread_kill pthread_sigmask setitimer sigwait sigtimedwait".split())
_IMPORT_FROM = opmap["IMPORT_FROM"]


def refusal(sentence=_SENTENCE):
    """The error of every attempt."""
    return OSError(errno.ENOSYS, sentence)


def adapt_subprocess(subprocess):
    def __init__(self, *args, **kwargs):
        # Read by __del__.
        self._child_created = False
        raise refusal()

    subprocess.Popen.__init__ = __init__


def adapt_os(os):
    """Explains the functions that are not there when they are asked for; `hasattr(os, "fork")`, by which libraries
    find out, goes on being False."""

    def __getattr__(name):
        if name in _FUNCTIONS and _is_import_from():
            return _refusing(name)
        advice = f": {_SENTENCE}" if name in _FUNCTIONS else ""
        raise AttributeError(f"module 'os' has no attribute {name!r}{advice}", name=name, obj=os)

    os.__getattr__ = __getattr__
    for name in _REFUSED:
        setattr(os, name, _refusing(name))
    os.WNOHANG, os.WUNTRACED, os.WCONTINUED = 1, 2, 8

    def waitstatus_to_exitcode(status):
        if status & 0x7F:
            return -(status & 0x7F)
        return status >> 8

    os.waitstatus_to_exitcode = waitstatus_to_exitcode
    _add_neighbours(os)


def _add_neighbours(os):
    """The functions about a process among others: a run is the only one it knows."""
    own = os.getpid()

    def getppid():
        return 0

    def getpgrp():
        return own

    def sched_getaffinity(pid, /):
        return set(range(os.cpu_count() or 1))

    def nice(increment, /):
        return 0

    def getloadavg():
        return 0.0, 0.0, 0.0

    for function in (getppid, getpgrp, sched_getaffinity, nice, getloadavg):
        function.__module__ = "os"
        function.__qualname__ = function.__name__
        setattr(os, function.__name__, function)


def adapt_signal(signal):
    """Explains the timers of signals, which WASI has not."""

    def __getattr__(name):
        if name in _TIMERS:
            if _is_import_from():
                return _refusing(name, _NO_SIGNALS)
            raise AttributeError(f"module 'signal' has no attribute {name!r}: {_NO_SIGNALS}", name=name, obj=signal)
        raise AttributeError(f"module 'signal' has no attribute {name!r}", name=name, obj=signal)

    signal.__getattr__ = __getattr__
    for name in ("alarm", "setitimer", "pause"):
        function = _refusing(name, _NO_SIGNALS)
        function.__module__ = "signal"
        setattr(signal, name, function)


def _is_import_from():
    """Whether an attribute is asked for by `from … import`: the name has to be there for the script to begin, although a
    call of it will be refused."""
    frame = sys._getframe(2)
    return frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM


def _refusing(name, sentence=_SENTENCE):
    """A function that raises the sentence."""

    def function(*args, **kwargs):
        raise refusal(sentence)

    function.__name__ = function.__qualname__ = name
    return function
