"""The users of a sandbox: the one that runs scripts, and root, who is on every system and owns files in many archives."""

from collections import namedtuple as _namedtuple

import os as _os
from operator import index as _index

struct_passwd = _namedtuple("struct_passwd", "pw_name pw_passwd pw_uid pw_gid pw_gecos pw_dir pw_shell", module="pwd")
struct_passwd.__qualname__ = "struct_passwd"


def _users():
    # A sandbox has no folder for root.
    root = struct_passwd("root", "x", 0, 0, "root", "/", "/bin/sh")
    return [root, struct_passwd(_os.getlogin(), "x", _os.getuid(), _os.getgid(), "", "/tmp", "/bin/sh")]


def _check_name(function, name):
    """Refuses what the C library could not look up, in the words of CPython."""
    if not isinstance(name, str):
        raise TypeError(f"{function}() argument must be str, not {type(name).__name__}")
    if b"\0" in _os.fsencode(name):
        raise ValueError("embedded null byte")


def getpwuid(uid, /):
    """The user with that number."""
    uid = _index(uid)
    for user in _users():
        if user.pw_uid == uid:
            return user
    raise KeyError(f"getpwuid(): uid not found: {uid}")


def getpwnam(name, /):
    """The user with that name."""
    _check_name("getpwnam", name)
    for user in _users():
        if user.pw_name == name:
            return user
    raise KeyError(f"getpwnam(): name not found: {name!r}")


def getpwall():
    """All users."""
    return _users()
