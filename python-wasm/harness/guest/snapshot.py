"""Preparing the memory of the interpreter, which is written down as the start of every run.

Three things happen here: modules are imported and the way of a run is trodden, so that a run finds everything made and
its bytecode specialised; nothing random is left that runs would share; and the heap is arranged so that a run touches
few pages, which are what a short run costs.
"""

from .kept import __builtins__

import gc
import importlib
import linecache
import os
import random
import sys
import traceback

import _random

from . import memory

PRELOADED = (
    "abc argparse array ast asyncio base64 bisect bz2 calendar cmath codecs collections collections.abc colorsys "
    "concurrent.futures concurrent.futures.thread configparser contextlib contextvars copy csv dataclasses datetime decimal "
    "difflib email.headerregistry email.message email.mime.application email.mime.base email.mime.image "
    "email.mime.multipart email.mime.text email.parser email.policy email.utils encodings.cp1252 encodings.idna "
    "encodings.latin_1 encodings.utf_16 encodings.utf_8_sig enum errno fileinput fnmatch fractions ftplib functools getopt "
    "getpass glob graphlib gzip hashlib heapq hmac html html.entities html.parser http.client http.cookiejar http.cookies "
    "http.server imaplib importlib.metadata importlib.resources inspect io ipaddress itertools json linecache locale logging "
    "logging.config logging.handlers lzma math mimetypes numbers "
    "operator optparse os pathlib pickle pkgutil platform plistlib poplib pprint queue random re sched secrets select "
    "selectors shelve shlex shutil signal smtplib socket socketserver sqlite3 ssl statistics string stringprep struct "
    "subprocess tarfile tempfile textwrap threading time timeit tokenize tomllib traceback types typing unicodedata unittest "
    "unittest.mock urllib.error urllib.parse urllib.request urllib.robotparser uuid warnings weakref xml.dom.minidom "
    "xml.etree.ElementTree xml.sax xmlrpc.client zipfile zlib zoneinfo _strptime _pylong"
).split()
"""What scripts and their packages import most, and what costs more than 0.2 ms to import. A preloaded module costs a run
nothing and an import of it next to nothing; any other is unmarshalled when it is imported."""


class Entropy:
    """Refuses randomness while the interpreter is built, because every run of a build would share what was drawn.

    The one generator that cannot be avoided, the random module's own, is given a known state, so that a draw from it is
    seen; a run seeds it before anything else.
    """

    def __enter__(self):
        self._urandom = os.urandom
        self._new = new = random.Random.__init__

        def refuse(*args, **kwargs):
            raise _drawn("".join(traceback.format_stack()))

        def make(generator, *args):
            # It keeps no state: the secrets module makes one when it is imported.
            if type(generator) is not random.SystemRandom:
                refuse()
            new(generator, *args)

        self._refuse = refuse
        os.urandom = random._urandom = refuse
        random.Random.__init__ = make
        random.seed(0)
        self._state = random.getstate()

    def __exit__(self, *failure):
        random.Random.__init__ = self._new
        for module in list(sys.modules.values()):
            for name, value in list(vars(module).items()):
                if value is self._refuse:
                    setattr(module, name, self._urandom)
        if failure == (None, None, None):
            self._check()

    def _check(self):
        if random.getstate() != self._state:
            raise _drawn("from the functions of the random module")
        known = {id(random._inst), id(sys.modules["secrets"]._sysrand)}
        for thing in gc.get_objects():
            if isinstance(thing, _random.Random) and id(thing) not in known:
                raise _drawn(f"{thing!r} was made")
        if sys.modules["tempfile"]._name_sequence is not None:
            raise _drawn("for temporary names")
        if sys.modules["uuid"]._node is not None:
            raise _drawn("for the node of uuid1")


def _drawn(how):
    return RuntimeError(f"randomness was drawn while the interpreter was built, every run would share it:\n{how}")


def preload():
    """Imports the popular modules."""
    for name in PRELOADED:
        importlib.import_module(name)


_FAILS_TWICE = """
def run(n):
    try:
        return {}[n]
    except KeyError as error:
        raise ValueError("a") from error
"""
_WITH_IMPORTS = """
import json, math
def run(text="a", *, scale=1.5):
    return [text, {"x": scale, "y": None}, True]
"""
_SCRIPTS = (
    ("def run(n=1):\n    return {'n': n}\n", "{}"),
    (_WITH_IMPORTS, '{"text": "b"}'),
    ("def run(context):\n    return context.run_id\n", "{}"),
    ("import asyncio\nasync def run():\n    await asyncio.sleep(0)\n", "{}"),
    ("x = 1\n", "{}"),
    ("import sys\nsys.exit(0)\n", "{}"),
    ("import datetime\ndef run():\n    return datetime.date(2026, 1, 1), {1, 2}\n", "{}"),
    ("def run(n):\n    return undefined + n\n", '{"n": 1}'),
    (_FAILS_TWICE, '{"n": 1}'),
    ("def run():\n    raise ExceptionGroup('g', [ValueError(1)])\n", "{}"),
    ("def run(:\n", "{}"),
    ("def run(n):\n    pass\n", '{"m": 1}'),
    ("def run():\n    return object()\n", "{}"),
)
_ROUNDS = 30


def tread(world, entry, request, failure):
    """Walks the way of a run many times, so that everything made on first use is made and the interpreter has
    specialised the bytecode; then removes all traces. Does what the runtime does around a run, too."""
    memory.find_recursion_limits()
    modules = dict(sys.modules)
    main = dict(vars(entry._main))
    argv = list(sys.argv)
    kept = entry._chdir, entry._listdir, entry._run_exit_functions, entry._urandom, entry.host.loaded
    entry._chdir = lambda path: None
    entry._listdir = lambda path: ["warming.py"]
    entry._run_exit_functions = lambda: None
    entry.host.loaded = lambda mark: None
    entry._urandom = bytes
    try:
        for _ in range(_ROUNDS):
            for source, args in _SCRIPTS:
                try:
                    outcome = world.run(request(source.encode(), args))
                except failure as error:
                    outcome = error.value
                _ = outcome.mode.value
                sys.modules.pop("warming", None)
                entry._kept.pop()
    finally:
        entry._chdir, entry._listdir, entry._run_exit_functions, entry._urandom, entry.host.loaded = kept
    del os.environ["HOME"]
    sys.modules.update(modules)
    vars(entry._main).clear()
    vars(entry._main).update(main)
    sys.argv[:] = argv
    linecache.clearcache()
    random.seed(0)


_plugs = []
_PLUG_SIZES = (1 << 20, 1 << 18, 1 << 16, 1 << 15, 1 << 14, 8192, 4096, 2048, 1024, *range(512, 0, -8))
_HEADROOM = 1 << 20
_BEYOND = 4
"""Blocks in a row above the old top of the heap that say a size has no holes left."""


def settle():
    """Arranges the heap: nothing to collect, nothing to count, no holes."""
    gc.collect()
    memory.immortalise()
    gc.freeze()
    # Blocks of falling sizes fill the holes that building left in the heap, so that a run takes its memory from fresh
    # pages that lie together, instead of dirtying a page of the snapshot for each small object.
    top = max(id(bytearray(1 << 20)), id(bytes(1 << 20)))
    for size in _PLUG_SIZES:
        beyond = 0
        while beyond < _BEYOND:
            block = bytes(size)
            _plugs.append(block)
            beyond = beyond + 1 if id(block) >= top else 0
    # The heap ends where the last plug does. With free memory at its top a small run does not have to grow it.
    headroom = bytearray(_HEADROOM)
    del headroom
