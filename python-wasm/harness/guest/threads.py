"""Threads, which a sandbox does not have, and the locks of a run that has one thread.

A lock, an event, a queue or a future that blocks waits for another thread, and there is none. All of them end in the
lock below. With a timeout, the time passes and costs nothing; without one, `host.wait` raises at once.
"""

from .kept import __builtins__

from _thread import TIMEOUT_MAX

from . import host

_NO_THREAD = (
    "threads cannot be started in a sandbox: call the function directly, use asyncio to wait for several things at "
    "once, or ThreadPoolExecutor, which runs each call at once"
)
_DISPLAYS = frozenset(("alive_progress", "enlighten", "halo", "progressbar", "rich", "tqdm", "yaspin"))
"""Packages whose threads only draw again what the main thread has drawn."""


class lock:
    """`_thread.lock` for one thread."""

    __slots__ = ("_held", "__weakref__")

    def __init__(self):
        self._held = False

    def __init_subclass__(cls):
        raise TypeError("type '_thread.lock' is not an acceptable base type")

    def acquire(self, blocking=True, timeout=-1):
        if timeout != -1:
            if not blocking:
                raise ValueError("can't specify a timeout for a non-blocking call")
            if timeout != timeout:
                raise ValueError("Invalid value NaN (not a number)")
            if timeout < 0:
                raise ValueError("timeout value must be a non-negative number")
            if timeout > TIMEOUT_MAX:
                raise OverflowError("timeout value is too large")
        if not self._held:
            self._held = True
            return True
        if blocking:
            host.sleep(None if timeout == -1 else timeout)
        return False

    def __enter__(self):
        if self._held:
            host.sleep(None)
        self._held = True
        return True

    def release(self):
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False

    def __exit__(self, *failure):
        self.release()

    def locked(self):
        return self._held

    def _at_fork_reinit(self):
        self._held = False

    acquire_lock = acquire
    release_lock = release
    locked_lock = locked

    def __repr__(self):
        return f"<{'' if self._held else 'un'}locked _thread.lock object at {id(self):#x}>"

    def __reduce__(self):
        raise TypeError("cannot pickle '_thread.lock' object")


lock.__module__ = "_thread"


def adapt_thread(thread):
    def start_new_thread(*args, **kwargs):
        raise RuntimeError(_NO_THREAD)

    for name in ("start_new_thread", "start_new", "start_joinable_thread"):
        setattr(thread, name, start_new_thread)
    thread.lock = thread.LockType = thread.allocate_lock = thread.allocate = lock


def adapt_threading(threading):
    join = threading.Thread.join

    def start(self):
        if not _only_draws(self):
            raise RuntimeError(_NO_THREAD)
        # It begins when it is waited for, which is when it has been told to end.
        self._draws = True
        self._started.set()

    def join_thread(self, timeout=None):
        if not hasattr(self, "_draws"):
            return join(self, timeout)
        if self._draws:
            self._draws = False
            self.run()

    threading.Thread.start = start
    threading.Thread.join = join_thread
    threading.Lock = threading._allocate_lock = lock


def _only_draws(thread):
    """Whether a thread belongs to a progress display."""
    kind = type(thread)
    target = getattr(thread, "_target", None)
    module = kind.__module__ if kind.__module__ != "threading" else getattr(target, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] in _DISPLAYS


def adapt_queue(module):
    """The queue in C waits by itself; the one in Python waits on a lock."""
    module._PySimpleQueue.__name__ = module._PySimpleQueue.__qualname__ = "SimpleQueue"
    module.SimpleQueue = module._PySimpleQueue


def adapt_concurrent_futures_thread(module):
    """Has `ThreadPoolExecutor` run each call at once, in the caller's thread. `map` is built on `submit`."""

    def submit(self, function, /, *args, **kwargs):
        if self._broken:
            raise self.BROKEN(self._broken)
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if not self._threads:
            # Stands for the one worker, whose initializer runs before the first call.
            self._threads.add(_CALLER)
            self._context = self._create_worker_context()
            try:
                self._context.initialize()
            except BaseException as error:
                self._broken = f"the initializer failed: {error!r}"
                raise self.BROKEN(self._broken) from error
        future = module._base.Future()
        module._WorkItem(future, self._resolve_work_item_task(function, args, kwargs)).run(self._context)
        return future

    module.ThreadPoolExecutor.submit = submit


class _Caller:
    def join(self, timeout=None):
        pass


_CALLER = _Caller()
