"""Permissions of files, which WASI has not: what `stat` shows, `chmod` changes and `umask` takes away.

They are kept here, by the file's number, for the time of the run. Nothing is refused because of them: a run has its
files to itself.
"""

from .kept import __builtins__

import errno
import importlib
import os as _os
import stat as _modes

from . import accounts

_FILE = 0o644
_DIRECTORY = 0o755
_DEVICE = 0o666
_LINK = 0o777
_STREAM = 0o600
_DEFAULTS = {
    _modes.S_IFDIR: _DIRECTORY,
    _modes.S_IFCHR: _DEVICE,
    _modes.S_IFIFO: _STREAM,
    _modes.S_IFLNK: _LINK,
}
_FIXED = ("/app", "/packages", "/dev")

_known = {}
"""Permission bits, where they are not the usual ones, by device and number."""
_umask = 0o022

_stat = _os.stat
_lstat = _os.lstat
_fstat = _os.fstat
_scandir = _os.scandir
_open = _os.open
_mkdir = _os.mkdir
_exists = _os.access
_stat_result = _os.stat_result


def _shown(found):
    """What `stat` found, with permissions and an owner."""
    values, named = found.__reduce__()[1]
    mode = values[0]
    # The three streams of a run have no type of their own.
    kind = _modes.S_IFMT(mode) or _modes.S_IFIFO
    bits = _known.get((values[2], values[1]))
    if bits is None:
        bits = _DEFAULTS.get(kind, _FILE)
    return _stat_result((kind | bits, *values[1:4], accounts.UID, accounts.GID, *values[6:]), named)


def stat(path, *, dir_fd=None, follow_symlinks=True):
    return _shown(_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks))


def lstat(path, *, dir_fd=None):
    return _shown(_lstat(path, dir_fd=dir_fd))


def fstat(fd):
    return _shown(_fstat(fd))


class DirEntry:
    """An entry of a directory, as `os.scandir` gives it."""

    __slots__ = ("_entry", "name", "path")

    def __init__(self, entry):
        self._entry = entry
        self.name = entry.name
        self.path = entry.path

    def is_dir(self, *, follow_symlinks=True):
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks=True):
        return self._entry.is_file(follow_symlinks=follow_symlinks)

    def is_symlink(self):
        return self._entry.is_symlink()

    def is_junction(self):
        return False

    def inode(self):
        return self._entry.inode()

    def stat(self, *, follow_symlinks=True):
        return _shown(self._entry.stat(follow_symlinks=follow_symlinks))

    def __fspath__(self):
        return self.path

    def __repr__(self):
        return f"<DirEntry {self.name!r}>"


class _Entries:
    """What `os.scandir` returns."""

    def __init__(self, entries):
        self._entries = entries

    def __iter__(self):
        return self

    def __next__(self):
        return DirEntry(next(self._entries))

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        self._entries.close()


def scandir(path=None):
    return _Entries(_scandir(path))


def refused(path):
    """The error of a change that only another user could make."""
    return PermissionError(errno.EPERM, _os.strerror(errno.EPERM), path)


def chmod(path, mode, *, dir_fd=None, follow_symlinks=True):
    found = _stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
    if isinstance(path, (str, bytes, _os.PathLike)):
        where = _os.path.abspath(_os.fsdecode(path)) + "/"
        if where.startswith(tuple(folder + "/" for folder in _FIXED)):
            raise OSError(errno.EROFS, _os.strerror(errno.EROFS), path)
    _known[found.st_dev, found.st_ino] = mode & 0o7777


def fchmod(fd, mode):
    chmod(fd, mode)


def link(src, dst, *, src_dir_fd=None, dst_dir_fd=None, follow_symlinks=True):
    raise OSError(errno.EPERM, "a sandbox has no hard links: use os.symlink, or copy the file", src, None, dst)


def umask(mask, /):
    global _umask
    before, _umask = _umask, mask & 0o777
    return before


def is_usual():
    """Whether files get the permissions that nothing has to be kept for."""
    return _umask == 0o022


def made(descriptor, mode):
    """A file was made with this mode."""
    bits = mode & 0o7777 & ~_umask
    if bits != _FILE:
        found = _fstat(descriptor)
        _known[found.st_dev, found.st_ino] = bits


def open(path, flags, mode=0o777, *, dir_fd=None):
    new = flags & _os.O_CREAT and not _exists(path, _os.F_OK)
    descriptor = _open(path, flags, mode, dir_fd=dir_fd)
    if new:
        made(descriptor, mode)
    return descriptor


def mkdir(path, mode=0o777, *, dir_fd=None):
    _mkdir(path, mode, dir_fd=dir_fd)
    bits = mode & 0o7777 & ~_umask
    if bits != _DIRECTORY:
        found = _stat(path, dir_fd=dir_fd)
        _known[found.st_dev, found.st_ino] = bits


_BLOCK = 4096
_FILESYSTEM = 1
"""Its number."""
_ROOM = {"/output": 16 << 20}
_ROOM_ELSEWHERE = 64 << 20


def statvfs(path):
    """The room for files, as the run's limits have it; what is used is counted."""
    if isinstance(path, int):
        top = "/tmp"
    else:
        _stat(path)
        top = "/" + _os.path.abspath(_os.fsdecode(path)).strip("/").partition("/")[0]
    room = _ROOM.get(top, _ROOM_ELSEWHERE) // _BLOCK
    used = 0
    for folder, _, names in _os.walk(top if top in ("/tmp", "/output") else "/tmp"):
        used += sum(-(-_lstat(f"{folder}/{name}").st_size // _BLOCK) for name in names)
    free = max(room - used, 0) if top in ("/tmp", "/output") else 0
    return _os.statvfs_result((_BLOCK, _BLOCK, room, free, free, 16384, 16384, 16384, 0, 255, _FILESYSTEM))


def adapt_shutil(shutil):
    """Has shutil look again at what there is. It is imported before this package is: then there is no `statvfs` yet, and
    no `bz2` and `lzma`, so that it would have no `disk_usage`, and no archives that are compressed with them."""
    importlib.reload(shutil)


def adapt_os(os):
    os.statvfs = os.fstatvfs = statvfs
    for function in (stat, lstat, fstat, scandir, chmod, fchmod, umask, open, mkdir, link):
        function.__module__ = "os"
        setattr(os, function.__name__, function)
    DirEntry.__module__ = "os"
    os.DirEntry = DirEntry
    # What the functions can do, which `shutil` asks for by these sets.
    replaced = {_stat: stat, _open: open, _mkdir: mkdir, _scandir: scandir}
    for name in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids"):
        functions = getattr(os, name)
        functions |= {new for old, new in replaced.items() if old in functions}
    os.supports_fd.add(chmod)
