"""resource for a sandbox: what a run has used. Its limits are set with the run (fuel, memory, timeout)."""

from collections import namedtuple as _namedtuple

import time as _time

error = OSError
RLIM_INFINITY = -1
RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD = 0, -1, 1
(
    RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE,
    RLIMIT_MEMLOCK, RLIMIT_AS,
) = range(10)  # fmt: skip

struct_rusage = _namedtuple(
    "struct_rusage",
    "ru_utime ru_stime ru_maxrss ru_ixrss ru_idrss ru_isrss ru_minflt ru_majflt ru_nswap ru_inblock ru_oublock "
    "ru_msgsnd ru_msgrcv ru_nsignals ru_nvcsw ru_nivcsw",
    module="resource",
)


def getrusage(who, /):
    """The CPU time of the run. Everything else is 0: the run's record has it."""
    if who not in (RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD):
        raise ValueError("invalid who parameter")
    used = 0.0 if who == RUSAGE_CHILDREN else _time.process_time()
    return struct_rusage(used, *[0] * 15)


def getrlimit(resource, /):
    """No limit of this kind."""
    if resource not in range(10):
        raise ValueError("invalid resource specified")
    return RLIM_INFINITY, RLIM_INFINITY


def setrlimit(resource, limits, /):
    """Refused."""
    raise OSError("the limits of a run are set with the run (fuel, memory, timeout), not by the script")


prlimit = setrlimit


def getpagesize():
    """Bytes of a page of memory."""
    return 65536
