"""multiprocessing: it can be imported and its classes subclassed; processes are refused; pools of threads run each call
at once, as ThreadPoolExecutor does."""

from .kept import __builtins__

from . import processes


def adapt_process(module):
    def start(self):
        raise processes.refusal()

    module.BaseProcess.start = start


def adapt_futures(module):
    def __init__(self, *args, **kwargs):
        # Read by __del__ and shutdown.
        self._executor_manager_thread = None
        raise processes.refusal()

    module.ProcessPoolExecutor.__init__ = __init__


def adapt_pool(module):
    def refuse(self, *args, **kwargs):
        raise processes.refusal()

    class ThreadPool:
        """Calls functions at once, in the run's one thread."""

        def __init__(self, processes=None, initializer=None, initargs=()):
            if processes is not None and processes < 1:
                raise ValueError("Number of processes must be at least 1")
            if initializer is not None and not callable(initializer):
                raise TypeError("initializer must be a callable")
            self._closed = False
            if initializer is not None:
                initializer(*initargs)

        def _check(self):
            if self._closed:
                raise ValueError("Pool not running")

        def apply(self, func, args=(), kwds={}):
            self._check()
            return func(*args, **kwds)

        def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None):
            self._check()
            return Done(lambda: func(*args, **kwds), callback, error_callback)

        def map(self, func, iterable, chunksize=None):
            self._check()
            return [func(item) for item in iterable]

        def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
            self._check()
            return Done(lambda: [func(item) for item in iterable], callback, error_callback)

        def starmap(self, func, iterable, chunksize=None):
            self._check()
            return [func(*items) for items in iterable]

        def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
            self._check()
            return Done(lambda: [func(*items) for items in iterable], callback, error_callback)

        def imap(self, func, iterable, chunksize=1):
            self._check()
            return Results([Done(lambda item=item: func(item), None, None) for item in iterable])

        imap_unordered = imap

        def close(self):
            self._closed = True

        terminate = close

        def join(self):
            if not self._closed:
                raise ValueError("Pool is still running")

        def __enter__(self):
            self._check()
            return self

        def __exit__(self, *failure):
            self.terminate()

    class Results:
        """What `imap` returns."""

        def __init__(self, results):
            self._results = iter(results)

        def __iter__(self):
            return self

        def __next__(self):
            return next(self._results).get()

        def next(self, timeout=None):
            return self.__next__()

    class Done:
        """The result of a call that was made at once."""

        def __init__(self, call, callback, error_callback):
            try:
                self._success, self._value = True, call()
            except Exception as error:
                self._success, self._value = False, error
            if (callback if self._success else error_callback) is not None:
                (callback if self._success else error_callback)(self._value)

        def ready(self):
            return True

        def successful(self):
            return self._success

        def wait(self, timeout=None):
            pass

        def get(self, timeout=None):
            if not self._success:
                raise self._value
            return self._value

    for kind in (ThreadPool, Done, Results):
        kind.__module__, kind.__qualname__ = "multiprocessing.pool", kind.__name__
    module.Pool.__init__ = refuse
    module.Pool.__del__ = lambda self, *args: None
    module.ThreadPool, module.AsyncResult, module.ApplyResult = ThreadPool, Done, Done
