"""The one user that a run has, for scripts and packages that ask who they are."""

from .kept import __builtins__

import errno

USER = "cronbox"
"""The login name; also in the variables `USER` and `LOGNAME`."""
UID = GID = 1000
"""Not 0: nothing here is the superuser's."""
HOME = "/tmp"


def adapt_os(os, stat_refused):
    """Adds the functions about users that WASI leaves out."""

    def always(name, value):
        def function():
            return value

        function.__name__ = function.__qualname__ = name
        function.__module__ = "os"
        setattr(os, name, function)

    for name in ("getuid", "geteuid"):
        always(name, UID)
    for name in ("getgid", "getegid"):
        always(name, GID)
    always("getresuid", (UID, UID, UID))
    always("getresgid", (GID, GID, GID))
    always("getlogin", USER)
    # A run is the only process it knows.
    always("getppid", 0)
    always("getpgrp", os.getpid())

    def getgroups():
        return [GID]

    def chown(path, uid, gid, *, dir_fd=None, follow_symlinks=True):
        os.stat(path)
        if uid not in (-1, UID) or gid not in (-1, GID):
            raise stat_refused(path)

    def fchown(fd, uid, gid):
        chown(fd, uid, gid)

    def refuse_user(*args):
        raise PermissionError(errno.EPERM, "a run has one user, whom it cannot change")

    def sched_getaffinity(pid, /):
        return set(range(os.cpu_count() or 1))

    def nice(increment, /):
        # A run has no neighbours whom it could be kinder to.
        return 0

    def getloadavg():
        return 0.0, 0.0, 0.0

    def sync():
        pass

    def get_terminal_size(fd=1, /):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    for name in ("setuid", "seteuid", "setgid", "setegid", "setgroups", "setreuid", "setregid"):
        setattr(os, name, refuse_user)
    for function in (getgroups, chown, fchown, sched_getaffinity, nice, getloadavg, sync, get_terminal_size):
        function.__module__ = "os"
        setattr(os, function.__name__, function)
    os.lchown = chown
