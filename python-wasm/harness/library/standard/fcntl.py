"""fcntl for a sandbox: a run has its files to itself, so that every lock is granted at once."""

import errno as _errno
import os as _os

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL = 0, 1, 2, 3, 4
F_GETLK, F_SETLK, F_SETLKW = 5, 6, 7
F_RDLCK, F_WRLCK, F_UNLCK = 0, 1, 2
FD_CLOEXEC = 1
LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN = 1, 2, 4, 8


def _descriptor(thing):
    if isinstance(thing, int):
        number = thing
    elif hasattr(thing, "fileno"):
        number = thing.fileno()
    else:
        raise TypeError("argument must be an int, or have a fileno() method.")
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


def flock(fd, operation, /):
    """Grants the lock."""
    _os.fstat(_descriptor(fd))


def lockf(fd, cmd, len=0, start=0, whence=0, /):
    """Grants the lock."""
    if not cmd & (LOCK_SH | LOCK_EX | LOCK_UN):
        raise ValueError("unrecognized lockf argument")
    _os.fstat(_descriptor(fd))


def fcntl(fd, cmd, arg=0, /):
    """Flags are kept by nobody; locks are granted."""
    _os.fstat(_descriptor(fd))
    if cmd == F_GETFL:
        return _os.O_RDWR
    if cmd == F_GETFD:
        return FD_CLOEXEC
    if cmd in (F_SETFL, F_SETFD):
        return 0
    if cmd in (F_SETLK, F_SETLKW, F_GETLK):
        return arg
    raise OSError(_errno.EINVAL, "a sandbox has no control over descriptors but flags and locks")


def ioctl(fd, request, arg=0, mutate_flag=True, /):
    """No descriptor here belongs to a device."""
    _descriptor(fd)
    raise OSError(_errno.ENOTTY, _os.strerror(_errno.ENOTTY))
