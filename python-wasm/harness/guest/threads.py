"""Threads, which a sandbox does not have."""

from .kept import __builtins__

_NO_THREAD = (
    "threads cannot be started in a sandbox: call the function directly, use asyncio to wait for several things at "
    "once, or ThreadPoolExecutor, which runs each call at once"
)


def adapt_thread(thread):
    def start_new_thread(*args, **kwargs):
        raise RuntimeError(_NO_THREAD)

    for name in ("start_new_thread", "start_new", "start_joinable_thread"):
        setattr(thread, name, start_new_thread)


def adapt_threading(threading):
    def start(self):
        raise RuntimeError(_NO_THREAD)

    threading.Thread.start = start


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
