"""The groups of a sandbox, of the users in `pwd`."""

from collections import namedtuple as _namedtuple

import os as _os
from operator import index as _index
from pwd import _check_name

struct_group = _namedtuple("struct_group", "gr_name gr_passwd gr_gid gr_mem", module="grp")


def _groups():
    return [struct_group("root", "x", 0, []), struct_group(_os.getlogin(), "x", _os.getgid(), [])]


def getgrgid(id):
    """The group with that number."""
    id = _index(id)
    if not -1 <= id < 1 << 32:
        raise OverflowError(f"gid is {'less than minimum' if id < 0 else 'greater than maximum'}")
    for group in _groups():
        if group.gr_gid == id:
            return group
    raise KeyError(f"getgrgid(): gid not found: {id}")


def getgrnam(name):
    """The group with that name."""
    _check_name("getgrnam", name)
    for group in _groups():
        if group.gr_name == name:
            return group
    raise KeyError(f"getgrnam(): name not found: {name!r}")


def getgrall():
    """All groups."""
    return _groups()
