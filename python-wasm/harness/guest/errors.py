"""The exceptions that are the harness's own.

They say `builtins` as their module because that is how a user meets them: without an import, and printed by CPython's
traceback without a module in front (`NetworkDenied: example.com:443 is …`).
"""

from .kept import __builtins__


NO_ROOM = (
    "there is no room left under /tmp or /output: files are limited in size and number (under /output to 16 MiB in 256 "
    "files and directories), and count against the run's memory limit"
)
"""What a write says that finds no room."""


class ArgumentError(TypeError):
    """The run's arguments do not fit the function that was called.

    To the user it is the TypeError that Python itself raises then; a class of its own tells it from the script's.
    """

    __qualname__ = "TypeError"


class EntryError(LookupError):
    """The function that was asked for does not exist."""


class ResultError(TypeError):
    """What the entry returned cannot be taken as a result."""


class StateError(TypeError):
    """What a run leaves in `context.state` cannot be kept."""


class NetworkDenied(PermissionError):
    """No grant covers this host and port. The number is there for programs; the sentence stands alone."""

    def __str__(self):
        return self.strerror or super().__str__()


class RunFailed(BaseException):
    """What `context.fail` raises. Like SystemExit it is none of the exceptions that a script handles by `except
    Exception`."""

    def __init__(self, reason, result):
        super().__init__(reason)
        self.result = result


ArgumentError.__name__ = "TypeError"
for _kind in (RunFailed, ArgumentError, EntryError, ResultError, StateError, NetworkDenied):
    _kind.__module__ = "builtins"
del _kind
