"""The one user that a run has, for scripts and packages that ask who they are."""

from .kept import __builtins__

import errno
from operator import index

USER = "cronbox"
"""The login name; also in the variables `USER` and `LOGNAME`."""
UID = GID = 1000
"""Not 0: nothing here is the superuser's."""


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

    def getgroups():
        return [GID]

    def chown(path, uid, gid, *, dir_fd=None, follow_symlinks=True):
        uid, gid = index(uid), index(gid)
        os.stat(path)
        if uid not in (-1, UID) or gid not in (-1, GID):
            raise stat_refused(path)

    def fchown(fd, uid, gid):
        chown(fd, uid, gid)

    def refuse_user(*args):
        raise PermissionError(errno.EPERM, "a run has one user, whom it cannot change")

    for name in ("setuid", "seteuid", "setgid", "setegid", "setgroups", "setreuid", "setregid"):
        setattr(os, name, refuse_user)
    for function in (getgroups, chown, fchown):
        function.__module__ = "os"
        setattr(os, function.__name__, function)
    os.lchown = chown


def adapt_pathlib(pathlib):
    """Gives `Path` the two methods that it has where `pwd` and `grp` were there when pathlib was imported."""
    import grp
    import pwd

    def owner(self, *, follow_symlinks=True):
        """Return the login name of the file owner."""
        return pwd.getpwuid(self.stat(follow_symlinks=follow_symlinks).st_uid).pw_name

    def group(self, *, follow_symlinks=True):
        """Return the group name of the file gid."""
        return grp.getgrgid(self.stat(follow_symlinks=follow_symlinks).st_gid).gr_name

    for function in (owner, group):
        function.__module__, function.__qualname__ = "pathlib", f"Path.{function.__name__}"
        setattr(pathlib.Path, function.__name__, function)
