"""One run, from the request to its outcome."""

from .kept import __builtins__

import asyncio
import atexit
import builtins
import importlib
import logging
import os
import posix
import random
import sys
import time
from types import CoroutineType, FunctionType, ModuleType

import _random

from wit_world import Failure, Mode, ResultKind, Success

from . import arguments, host, localtime, packages, report, result, source, streams
from .context import Context, keep_state
from .errors import EntryError, RunFailed
from .memory import limit_recursion
from .text import clean, type_name

_asyncio_run = asyncio.run
_import_module = importlib.import_module
_run_exit_functions = atexit._run_exitfuncs
_close_logs = logging.shutdown
_log_handlers = logging._handlerList
_log_handlers_made = len(_log_handlers)
_builtins = builtins
_chdir = os.chdir
_listdir = os.listdir
_main = sys.modules["__main__"]
_modules = sys.modules
_random_seed = random.seed
_generator = random._inst
_seed_generator = _random.Random.seed
_urandom = posix.urandom
_recursion_limit = sys.getrecursionlimit()
_set_recursion_limit = sys.setrecursionlimit
_set_trace = sys.settrace
_set_profile = sys.setprofile
_now = time.time_ns

_OWN_MODULES = (
    "guest",
    "wit_world",
    "wit_world.imports",
    "wit_world.imports.host",
    "componentize_py_runtime",
    "componentize_py_types",
)
"""The harness's modules that must still be importable when the snapshot is taken. A script's own `guest.py` is not
hidden by them, because they are taken out of `sys.modules` before it runs."""

library = None
"""The standard library, once it is there (see `stdlib`)."""

_kept = [_modules.get(name) for name in _OWN_MODULES]
"""Objects that must not be freed: the harness's modules, because taking them apart would cost every run, and what a run
leaves, because freeing it is pointless in a sandbox that is thrown away, and freeing a list nested a hundred thousand
deep overruns the stack."""

_traceback = BaseException.__dict__["__traceback__"].__get__
_NAMES_SHOWN = 8

_reserve = [bytearray(512 * 1024)]
"""Memory to tell a MemoryError with."""


def run(request):
    """Carries out a request. Returns a Success or a Failure, and raises nothing."""
    this = _Run(request)
    _kept.append(this)
    try:
        limit_recursion()
        try:
            value = this.perform()
        except SystemExit as error:
            status = report.exit_status(error)
            # By type: an object of the script's may say that it equals anything.
            if status is not None and not (type(status) is int and status == 0):
                raise
            value, this.kind = None, ResultKind.NONE
        this.value = value
        outcome = this.succeed(value)
    except BaseException as error:
        this.value = error
        outcome = this.fail(error)
    _leave()
    return outcome


def first_imports(text, path):
    """The first imports of a script, as `packages` says."""
    _hide_harness()
    found, _ = packages.first_imports(source.load(text, path), _listdir("/app"))
    return found


def prepare(modules, environment):
    """Imports modules of packages for an image of this sandbox, in which no run has begun or ever will."""
    limit_recursion()
    _hide_harness()
    random.seed = _random_seed
    sys.argv[:] = [""]
    _chdir("/app")
    return packages.prepare(modules, environment)


def nothing():
    """What the runtime finds under the name `random.seed` and calls before the first export: the memory can become an
    image, so that each run seeds for itself."""


def seed():
    """Gives the random module a state of this run's own. (CPython's would fetch and mix 2,500 bytes.)"""
    random.seed = _random_seed
    # The leading one makes all seeds equally long, and so equally dear. By the method in C: packages that are imported
    # already can have changed the builtins that the other one needs.
    _seed_generator(_generator, int.from_bytes(b"\1" + _urandom(16)))
    _generator.gauss_next = None


def _hide_harness():
    for name in _OWN_MODULES:
        _modules.pop(name, None)


def _leave():
    """The end of the program: what was registered for it, and output that is still buffered."""
    try:
        # What they do counts against the run; their errors go to stderr.
        _run_exit_functions()
        if len(_log_handlers) > _log_handlers_made:
            _close_logs()
    except BaseException:
        pass
    streams.flush()


class _Run:
    def __init__(self, request):
        self.request = request
        self.mode = Mode.SCRIPT if request.entry is None else Mode.FUNCTION
        self.kind = request.result_kind
        self.notes = []
        self.keywords = {}
        self.context = None
        self.value = None
        self.exit_code = None

    def perform(self):
        """Loads the script, runs it, and returns what its entry returned."""
        request = self.request
        _hide_harness()
        seed()
        packages.set_environment(request.env)
        sys.argv[:] = [request.path, *request.argv]
        logging._startTime = _now()
        _chdir("/app")
        files = _listdir("/app")
        library.give_way(files)
        if said := localtime.begin():
            self.notes.append(clean(said, 1000))
        packages.renew()

        module_name, function_name = self.entry()
        if module_name is not None:
            positional, keywords = self.arguments()
            host.loaded(host.MARK)
            scope = vars(_import_module(module_name))
            where = module_name
        else:
            code = source.load(request.source, request.path)
            if request.has_packages:
                self.import_packages(code, files)
            if function_name is None and source.calls_run(code, request.args):
                self.mode = Mode.FUNCTION
                function_name = "run"
            positional, keywords = self.arguments()
            host.loaded(host.MARK)
            if self.mode is Mode.SCRIPT:
                if positional or keywords:
                    self.notes.append("the arguments were not used: without a function `run` the file runs as a script")
                if function_name is None and source.defines_run(code):
                    self.notes.append(
                        "`run` was not called: the file has `if __name__ == \"__main__\"`, so that it ran from top to bottom; "
                        'entry = "run" calls the function'
                    )
                return self.run_file(code)
            scope = self.load_module(code)
            where = request.path.rpartition("/")[2]
            if request.entry is None and not callable(scope.get("run")):
                # The name is used for something else; the file has run, and that was all.
                self.mode = Mode.SCRIPT
                self.notes.append(
                    "`run` is no function when the file has run: it ran from top to bottom, but with "
                    f"__name__ = {request.name!r}; for a plain script use another name than `run`"
                )
                return None
        function = _find(scope, function_name, where)
        return self.call(function, function_name, positional, keywords)

    def arguments(self):
        """Read before the script runs, so that it cannot meddle with how they are read."""
        positional, self.keywords = arguments.read(self.request.args)
        return positional, self.keywords

    def entry(self):
        """The module to import (None: the script itself) and the function to call (None: not said)."""
        entry = self.request.entry
        if entry is None:
            return None, None
        module, colon, function = entry.rpartition(":")
        if not colon:
            return None, function
        itself = (self.request.name, self.request.path.rpartition("/")[2].removesuffix(".py"))
        return (None if module in itself else module), function

    def import_packages(self, code, files):
        """Imports ahead what an image would have imported; the host counts it apart. `files` are the names in /app."""
        modules, places = packages.first_imports(code, files)
        if modules and not packages.are_imported(modules):
            host.importing(False)
            packages.import_ahead(modules, code, places, self.request.name)

    def run_file(self, code):
        """Script mode."""
        request = self.request
        scope = vars(_main)
        scope["__file__"] = request.path
        scope["__builtins__"] = _builtins
        exec(code, scope)
        if not streams.used() and (names := _functions(scope, request.path)):
            there = "there is" if len(names) == 1 else "there are"
            self.notes.append(f"no function `run` found; {there} {_listed(names)}: set entry")
        return None

    def load_module(self, code):
        """Function mode: the file as a module with the script's name."""
        request = self.request
        module = ModuleType(request.name)
        scope = vars(module)
        scope["__file__"] = request.path
        scope["__builtins__"] = vars(_builtins)
        # A script called `json` must not take the place of the library's.
        if request.name not in _modules and request.name not in sys.stdlib_module_names:
            _modules[request.name] = module
        exec(code, scope)
        return scope

    def call(self, function, name, positional, keywords):
        if arguments.wants_context(function, positional, keywords):
            self.context = Context(self.request.context)
            keywords = {**keywords, "context": self.context}
        try:
            value = function(*positional, **keywords)
        except TypeError as error:
            # Raised by the call itself and not by the body: no frame of the function's own.
            if _traceback(error).tb_next is None:
                problem = arguments.misfit(function, name, positional, keywords)
                if problem is not None:
                    raise problem from None
            raise
        return _asyncio_run(value) if type(value) is CoroutineType else value

    def succeed(self, value):
        kind, text = self.text_of(value)
        if self.context is not None and (note := keep_state(self.context)) is not None:
            self.notes.append(clean(note, 1000))
        return Success(self.mode, kind, text, self.notes)

    def text_of(self, value):
        """The kind of a result, and its JSON text."""
        kind = self.kind
        limit = self.request.result_limit
        if kind is ResultKind.NONE:
            return kind, "null"
        if kind is ResultKind.JSON:
            return kind, result.to_json(value, limit)
        text, is_json = result.to_json_or_text(value, limit)
        return ResultKind.JSON if is_json else kind, text

    def fail(self, error):
        # A script's tracer, profiler or recursion limit must not end the account of its failure.
        _set_trace(None)
        _set_profile(None)
        _set_recursion_limit(_recursion_limit)
        if type(error) is MemoryError:
            _reserve.clear()
        try:
            if failed := _failure_in(error):
                try:
                    found = self.text_of(failed.result)
                except BaseException as unfit:
                    found = None
                    self.notes.append(clean(f"the result of context.fail cannot be kept: {report.message(unfit)}", 1000))
                return Failure(self.mode, "RunFailed", report.message(failed), "", None, self.notes, found)
            kind = type_name(type(error))
            message = report.message(error)
            if issubclass(type(error), SystemExit):
                message = self.exit_message(error, message)
                # An exit says what it is; the lines that led there are nobody's mistake.
                return Failure(self.mode, kind, message, "", self.exit_code, self.notes, None)
            if issubclass(type(error), TypeError):
                self.notes += arguments.text_notes(self.request.text_args, self.keywords)
            trace = report.render(error, self.request.path, self.request.source)
            return Failure(self.mode, kind, message, trace, None, self.notes, None)
        except BaseException:
            return Failure(self.mode, "Exception", "the script failed, and so did telling how", "", None, [], None)

    def exit_message(self, error, message):
        status = report.exit_status(error)
        if type(status) is int:
            # What the system would keep of it.
            self.exit_code = status & 0xFF
            return f"exit status {status}"
        # What CPython does with a text given to sys.exit().
        print(message, file=sys.stderr)
        self.exit_code = 1
        return message


def _failure_in(error):
    """What `context.fail` raised, also where a task group has put it into a group of its own."""
    while type(error) is BaseExceptionGroup and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if type(error) is RunFailed else None


def _find(scope, name, where):
    """The function of that name."""
    function = scope.get(name)
    if callable(function):
        return function
    names = _functions(scope, scope.get("__file__"))
    has = f"; it has {_listed(names)}" if names else "; it defines no functions"
    if name in scope:
        raise EntryError(f"`{name}` in {where} is no function but {type_name(type(function))}{has}")
    raise EntryError(f"no function `{name}` in {where}{has}")


def _functions(scope, path):
    """The names of the functions that a file defines for others to call."""
    return [
        name
        for name, value in scope.items()
        if type(name) is str
        and not name.startswith("_")
        and type(value) is FunctionType
        and value.__code__.co_filename == path
    ]


def _listed(names):
    shown = ", ".join(f"`{clean(name, 100)}`" for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
