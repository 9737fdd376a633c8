"""Runs one module of CPython's own tests, and returns what came of it."""

import ast
import concurrent.futures
import fnmatch
import importlib
import os
import sys
import sysconfig
import time
import unittest

_stderr = sys.stderr


class Result(unittest.TestResult):
    """Counts what passed, and keeps why the rest did not."""

    def __init__(self, name_of):
        super().__init__()
        self.name_of = name_of
        self.passed = set()
        self.bad = {}
        self.seconds = {}

    def startTest(self, test):
        # The last one is where a run ended that was stopped or crashed.
        print(self.name_of(test), file=_stderr, flush=True)
        super().startTest(test)
        self.began = time.process_time()

    def stopTest(self, test):
        super().stopTest(test)
        self.seconds[self.name_of(test)] = time.process_time() - self.began

    def addSuccess(self, test):
        self.passed.add(self.name_of(test))

    def addError(self, test, failure):
        self.bad.setdefault(self.name_of(test), said(failure))

    addFailure = addError

    def addSubTest(self, test, part, failure):
        if failure is not None:
            self.addError(test, failure)

    def addUnexpectedSuccess(self, test):
        self.bad.setdefault(self.name_of(test), "it was expected to fail, and passed")


def said(failure):
    """An exception on one line, and where it was raised."""
    kind, error, trace = failure
    places = []
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{kind.__name__}: {error}"[:300].replace("\n", " ") + f" ({' '.join(places[-4:])})"


def without(suite, left_out):
    """The suite without some of its tests."""
    kept = type(suite)()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(without(test, left_out))
        elif not left_out(test):
            kept.addTest(test)
    return kept


def matcher(patterns):
    plain = {pattern for pattern in patterns if "*" not in pattern}
    globs = [pattern for pattern in patterns if "*" in pattern]
    return lambda name: name in plain or any(fnmatch.fnmatchcase(name, pattern) for pattern in globs)


def run(module, not_run=(), fails=(), only=None, threads=False):
    """`not_run` and `fails` are names, or patterns with `*`, from known.txt; `only` is the one test to run.
    With `threads` those run, too, that need threads."""
    # componentize-py's copy is cut in the middle of a quoted word, and test.support splits it as a shell does.
    sysconfig.get_config_vars()["CONFIG_ARGS"] = ""
    from test import support
    from test.support import socket_helper, threading_helper

    # They take WASI for a system without sockets.
    support.has_socket_support = socket_helper.has_gethostname = True
    threading_helper.can_start_thread = threads
    # test_ast reads the library's folder, and test_concurrent_futures names an executor; neither is there.
    ast.__file__ = support.__file__
    concurrent.futures.InterpreterPoolExecutor = None
    # Its helper for translations imports this, which then skips the whole module.
    support.has_subprocess_support = True
    importlib.import_module("test.test_tools")
    support.has_subprocess_support = False
    # No resource that costs much time, memory or network.
    support.use_resources = {}
    support.verbose = 0
    os.makedirs("/tmp/work", exist_ok=True)
    os.chdir("/tmp/work")

    def name_of(test):
        name = test.id().removeprefix("test.")
        return name if name.startswith(module + ".") else f"{module}/{name}"

    left_out = matcher(not_run)
    suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module("test." + module))
    done = Result(name_of)
    without(suite, lambda test: left_out(name_of(test)) if only is None else name_of(test) != only).run(done)

    known = matcher(fails)
    passed = done.passed - done.bad.keys()
    return {
        "passed": len(passed),
        "skipped": len(done.skipped),
        "known": sum(map(known, done.bad)),
        "unknown": {name: why for name, why in done.bad.items() if not known(name)},
        # A pattern speaks of those that fail.
        "mended": sorted(passed & set(fails)),
        "slow": {name: round(spent, 1) for name, spent in done.seconds.items() if spent >= 1},
    }
