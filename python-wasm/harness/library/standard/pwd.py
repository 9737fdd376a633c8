"""The users of a sandbox: one."""

from collections import namedtuple as _namedtuple

import os as _os

struct_passwd = _namedtuple("struct_passwd", "pw_name pw_passwd pw_uid pw_gid pw_gecos pw_dir pw_shell", module="pwd")
struct_passwd.__qualname__ = "struct_passwd"


def _only():
    return struct_passwd(_os.getlogin(), "x", _os.getuid(), _os.getgid(), "", "/tmp", "/bin/sh")


def getpwuid(uid, /):
    """The user with that number."""
    if uid != _os.getuid():
        raise KeyError(f"getpwuid(): uid not found: {uid}")
    return _only()


def getpwnam(name, /):
    """The user with that name."""
    if name != _os.getlogin():
        raise KeyError(f"getpwnam(): name not found: {name!r}")
    return _only()


def getpwall():
    """All users."""
    return [_only()]
