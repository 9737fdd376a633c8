"""Modules of the standard library that WASI cannot have, each with a sentence that says what to do instead.

The table holds every name for which an import must end in a refusal, private accelerators included: the public module
(`ctypes`) is refused as a whole, so that the sentence is not hidden behind a failure deep inside it.
"""

from .kept import __builtins__

_NO_FOREIGN_CODE = "native code cannot be loaded into a sandbox: use the standard library or a pure-Python package"
_NO_PROCESSES = (
    "a sandbox is one process with one thread: call the functions one after another, use asyncio for waiting, or start "
    "several runs"
)
_NO_INTERPRETERS = "a sandbox has one interpreter: call the functions one after another, or start several runs"
_NO_TERMINAL = "a run has no terminal: print plain text, and read input from the run's arguments"
_NO_SCREEN = "a run has no screen: return the data, or write a picture or HTML file"
_NO_ZSTD = "the interpreter is built without Zstandard: use zlib, gzip or zipfile with deflate"
_NO_GDBM = "the interpreter is built without GNU dbm and ndbm: use dbm.sqlite3, or sqlite3"
_NO_INSTALLER = "packages cannot be installed from inside a run: list them as dependencies of the script"
_NO_SUITE = "it is not part of the interpreter that runs scripts: run it on your own machine"
_OTHER_SYSTEM = "it belongs to another operating system"

REASONS = {
    "_ctypes": _NO_FOREIGN_CODE,
    "_posixsubprocess": _NO_PROCESSES,
    "_interpreters": _NO_INTERPRETERS,
    "_interpchannels": _NO_INTERPRETERS,
    "_interpqueues": _NO_INTERPRETERS,
    "concurrent.interpreters": _NO_INTERPRETERS,
    "concurrent.futures.interpreter": _NO_INTERPRETERS,
    "_remote_debugging": "a sandbox has no other process to look into: run the profiler inside the script",
    "_curses": _NO_TERMINAL,
    "_curses_panel": _NO_TERMINAL,
    "tkinter": _NO_SCREEN,
    "_tkinter": _NO_SCREEN,
    "turtle": _NO_SCREEN,
    "turtledemo": _NO_SCREEN,
    "idlelib": _NO_SCREEN,
    "_zstd": _NO_ZSTD,
    "compression.zstd": _NO_ZSTD,
    "_gdbm": _NO_GDBM,
    "_dbm": _NO_GDBM,
    "dbm.gnu": _NO_GDBM,
    "dbm.ndbm": _NO_GDBM,
    "_hashlib": "the interpreter is built without OpenSSL: hashlib and hmac have their algorithms built in",
    "_uuid": "the system makes no UUIDs on WASI: uuid makes them itself",
    "ensurepip": _NO_INSTALLER,
    "venv": _NO_INSTALLER,
    "test": _NO_SUITE,
    "msvcrt": _OTHER_SYSTEM,
    "nt": _OTHER_SYSTEM,
    "winreg": _OTHER_SYSTEM,
    "winsound": _OTHER_SYSTEM,
    "_overlapped": _OTHER_SYSTEM,
    "_scproxy": _OTHER_SYSTEM,
    "_winapi": _OTHER_SYSTEM,
    "_wmi": _OTHER_SYSTEM,
    "_android_support": _OTHER_SYSTEM,
    "_ios_support": _OTHER_SYSTEM,
    "asyncio.windows_events": _OTHER_SYSTEM,
    "asyncio.windows_utils": _OTHER_SYSTEM,
    "encodings.mbcs": _OTHER_SYSTEM,
    "encodings.oem": _OTHER_SYSTEM,
    "encodings._win_cp_codecs": _OTHER_SYSTEM,
}
"""Module name to reason. A name here covers everything below it."""


def reason(name):
    """Why `name` cannot be imported, or None when it is not refused."""
    while name:
        if name in REASONS:
            return REASONS[name]
        name = name.rpartition(".")[0]
    return None


def sentence(name):
    """The message of the refusal, or None."""
    why = reason(name)
    return None if why is None else f"the module {name!r} is not available on WASI: {why}"
