"""Processes, which a sandbox does not have."""

from .kept import __builtins__

import errno

_SENTENCE = "processes cannot be started in a sandbox: call Python functions instead of programs, or start several runs"
_FUNCTIONS = frozenset(
    "execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg posix_spawn posix_spawnp spawnl "
    "spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe system wait wait3 wait4 waitid waitpid".split()
)


def refusal():
    """The error of every attempt."""
    return OSError(errno.ENOSYS, _SENTENCE)


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
        advice = f": {_SENTENCE}" if name in _FUNCTIONS else ""
        raise AttributeError(f"module 'os' has no attribute {name!r}{advice}", name=name, obj=os)

    def popen(*args, **kwargs):
        raise refusal()

    os.__getattr__ = __getattr__
    os.popen = popen
