"""The Python side of a run.

This package is imported once, while the interpreter is built; the memory it leaves behind is the start of every run.
What it exports to the host is `WitWorld.run`.

    entry       one run, from the request to its outcome
    source      bytes to code object; function or script mode
    packages    what a script imports first, ahead of it or in an image
    renewed     modules of an image that draw something for each run
    arguments   JSON to the call, and what is wrong when they do not fit
    context     the object behind the parameter `context`
    result      what the entry returned to JSON text
    report      an exception to type, message and traceback
    text        text that leaves the sandbox: valid and bounded
    errors      the harness's own exceptions
    host        the host's functions
    loop        asyncio
    network     connections, and what stands on them:
    sockets, waiting, tls
                what is `_socket`, `select` and `_ssl` elsewhere
    certificates
                a certificate as `ssl` shows it
    encryption  the host's verb for `cronbox.crypto` (in ../library), and what hashlib leaves to OpenSSL
    threads, processes, multiprocess, terminal, timezones, databases
                what the standard library does differently in a sandbox
    files, permissions, accounts, clocks, localtime
                what the system does differently: opening files, modes, the user, CPU time, local time
    stdlib      the standard library in memory, and its finder
    missing     modules that WASI cannot have
    removed     modules that Python no longer has
    mended      faults of this release that later ones mended
    instead     packages that are native code, and what to use for them
    resources   files of packages in memory
    streams     standard input, output and error
    snapshot    preparing the memory that every run starts with
    memory      making what is in it immortal
    kept        the builtins, safe from scripts that patch them

Beside this package lies `library/standard`: modules of the standard library that are C elsewhere, and work here in part or refuse.
"""

from .kept import __builtins__

import atexit
import os
import sys

from . import stdlib

_library = stdlib.Library()


def _install_library():
    """From here on everything is imported from memory."""
    _library.collect(stdlib.ROOT)
    _library.collect(os.path.dirname(os.path.dirname(__file__)) + "/library/standard")
    _library.collect(os.path.dirname(os.path.dirname(__file__)) + "/library/cronbox", "cronbox.")
    for folder in sys.path:
        if os.path.isdir(zones := folder + "/tzdata"):
            _library.collect(zones, "tzdata.")
    sys.meta_path.insert(2, _library)


_install_library()

from . import (
    accounts,
    clocks,
    databases,
    encryption,
    files,
    localtime,
    mended,
    multiprocess,
    network,
    permissions,
    processes,
    snapshot,
    sockets,
    streams,
    terminal,
    threads,
    timezones,
    tls,
    waiting,
)


def _adapt_library():
    import builtins
    import time

    import _socket
    import select
    import zoneinfo

    sockets.install(_socket)
    waiting.install(select)
    sys.modules["_ssl"] = tls.module()
    zoneinfo.reset_tzpath(())
    _library.adapt("os", processes.adapt_os)
    permissions.adapt_os(os)
    accounts.adapt_os(os, permissions.refused)
    terminal.adapt_os(os)
    files.adapt_os(os)
    files.install(builtins)
    streams.adapt_builtins(builtins)
    clocks.adapt_time(time)
    localtime.adapt_time(time, _library)
    localtime.adapt_os(os)
    clocks.adapt_os(os)
    _library.adapt("subprocess", processes.adapt_subprocess)
    _library.adapt("_thread", threads.adapt_thread)
    _library.adapt("threading", threads.adapt_threading)
    _library.adapt("queue", threads.adapt_queue)
    _library.adapt("shutil", permissions.adapt_shutil)
    _library.adapt("pathlib", accounts.adapt_pathlib)
    _library.adapt("signal", processes.adapt_signal)
    _library.adapt("sqlite3", databases.adapt_sqlite3)
    _library.adapt("multiprocessing.process", multiprocess.adapt_process)
    _library.adapt("multiprocessing.pool", multiprocess.adapt_pool)
    _library.adapt("concurrent.futures.process", multiprocess.adapt_futures)
    _library.adapt("concurrent.futures.thread", threads.adapt_concurrent_futures_thread)
    _library.adapt("socket", sockets.adapt_socket)
    _library.adapt("selectors", waiting.adapt_selectors)
    _library.adapt("urllib.request", _adapt_urllib_request)
    _library.adapt("pdb", terminal.adapt_pdb)
    _library.adapt("hashlib", encryption.adapt_hashlib)
    _library.adapt("hmac", encryption.adapt_hmac)
    _library.adapt("cronbox._verb", encryption.adapt_verb)
    _library.adapt("zoneinfo._common", timezones.adapt_zoneinfo_common(_library))
    _library.adapt("http.cookies", mended.adapt_cookies)
    _library.adapt("http.client", mended.adapt_http_client)
    _library.adapt("imaplib", mended.adapt_imaplib)
    _library.adapt("xmlrpc.client", mended.adapt_xmlrpc)
    _library.adapt("email.generator", mended.adapt_email_generator)


def _adapt_urllib_request(module):
    network.adapt_urllib_request(module)
    mended.adapt_urllib_request(module)


with snapshot.Entropy():
    _adapt_library()
    snapshot.preload()
    streams.install()

    from componentize_py_types import Err
    from wit_world import Prepared, Request, ResultKind, Success

    from . import entry, loop, report

    entry.library = _library
    loop.install()


class WitWorld:
    """The world's exports."""

    def run(self, request):
        outcome = entry.run(request)
        if type(outcome) is Success:
            return outcome
        raise Err(outcome)

    def first_imports(self, source, path):
        try:
            return entry.first_imports(source, path)
        except BaseException:
            # The script does not compile: its run says so.
            return []

    def prepare(self, modules, env):
        try:
            return Prepared(*entry.prepare(modules, env))
        except BaseException as error:
            raise Err(report.message(error)) from None


def _request(source, args):
    """A request as the runtime makes it."""
    context = '{"run_id": "warming"}'
    env = [("HOME", "/tmp")]
    return Request("warming", "/app/warming.py", source, None, args, [], [], env, context, ResultKind(0), 1 << 20, False)


with snapshot.Entropy():
    snapshot.tread(WitWorld(), entry, _request, Err)


def _leave_build():
    """Forgets the build's folders, and hides the harness from scripts."""
    import logging
    import random

    _library.adopt()
    sys.path[:] = ["/app", "/packages"]
    sys.path_importer_cache.clear()
    sys.meta_path.append(stdlib.Unknown())
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.startswith("guest.")]:
        del sys.modules[name]
    # logging registers its shutdown when it is imported; `entry` calls it where a script has added handlers.
    atexit.unregister(logging.shutdown)
    # The runtime keeps what it finds under this name and calls it once, before the first export.
    random.seed = entry.nothing
    snapshot.settle()


_leave_build()
