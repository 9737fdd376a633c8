"""What multiprocessing needs of the system, which a sandbox has not: semaphores that processes share."""

_SENTENCE = (
    "a sandbox is one process: call the functions one after another, use ThreadPool or ThreadPoolExecutor (which run "
    "each call at once), or start several runs"
)


class SemLock:
    """A semaphore that processes share."""

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, *args, **kwargs):
        raise OSError(_SENTENCE)


def sem_unlink(name, /):
    """There is none of that name."""
    raise OSError(_SENTENCE)


flags = {}
