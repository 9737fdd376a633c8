"""syslog for a run, which has no system log: what is logged goes to standard error, where the run keeps it."""

import sys as _sys

LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG = range(8)
LOG_KERN, LOG_USER, LOG_MAIL, LOG_DAEMON, LOG_AUTH, LOG_SYSLOG, LOG_LPR, LOG_NEWS, LOG_UUCP, LOG_CRON = range(0, 80, 8)
LOG_AUTHPRIV, LOG_FTP = 80, 88
LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7 = range(128, 192, 8)
LOG_PID, LOG_CONS, LOG_ODELAY, LOG_NDELAY, LOG_NOWAIT, LOG_PERROR = 1, 2, 4, 8, 16, 32
_state = {"ident": None, "mask": 255}


def openlog(ident=None, logoption=0, facility=LOG_USER):
    """Sets the word before each message."""
    if ident is not None:
        # As for the C library, which takes UTF-8.
        ident.encode()
    _state["ident"] = ident


def syslog(priority, message=None, /):
    """Writes a message to standard error."""
    if message is None:
        priority, message = LOG_INFO, priority
    if _state["mask"] & 1 << (priority & 7):
        ident = _state["ident"]
        print(f"{ident}: {message}" if ident else message, file=_sys.stderr)


def closelog():
    """Forgets what openlog has set."""
    _state["ident"] = None


def setlogmask(maskpri, /):
    """Sets which priorities are written; the mask before."""
    before = _state["mask"]
    if maskpri:
        _state["mask"] = maskpri
    return before


def LOG_MASK(pri, /):
    """The mask of one priority."""
    return 1 << pri


def LOG_UPTO(pri, /):
    """The mask of all priorities up to this one."""
    return (1 << pri + 1) - 1
