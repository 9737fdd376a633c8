"""The standard library as code objects inside the interpreter's own memory.

A sandbox mounts no library folder. While the interpreter is built, every module that can work on WASI is compiled and
kept as marshalled code; a finder hands it out when a script imports it. What is not there ends in one sentence that
says why.
"""

from .kept import __builtins__

import builtins
import marshal
import os
import sys
from importlib import _bootstrap
from importlib.machinery import ModuleSpec, PathFinder

from . import instead, missing, removed, resources

ROOT = "/python"
"""Where the standard library lies while the interpreter is built, and so the folder its tracebacks and `__file__`
name. In a run it does not exist."""

_LEFT_OUT = {"__pycache__", "site-packages"}

_LOADED_FIRST = {"abc", "codecs", "encodings", "genericpath", "io", "os", "posixpath", "site", "stat"}
"""What CPython has imported before a script begins: a script's file of such a name is not found anywhere."""

_exists = os.path.exists

_IMPORTING = _bootstrap._find_and_load_unlocked.__code__
_MACHINERY = ("<frozen importlib", ROOT + "/importlib/__init__.py")
_TRY_AND_SEE = (ROOT + "/", "/packages/")
"""Where modules import others to see whether they are there."""


class Library:
    """Finder and loader of the modules in memory."""

    def __init__(self):
        self._code = {}
        self._packages = set()
        self._data = {}
        self._adapt = {}
        self._given_way = set()

    def collect(self, folder, below="", root=ROOT):
        """Takes in every module under `folder`; `below` is the dotted prefix of its names.

        Files that are no Python source are kept as data (the time zone database is nothing else).
        """
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            stem, dot, suffix = entry.name.rpartition(".")
            path = f"{root}/{below.replace('.', '/')}{entry.name}"
            if entry.is_dir():
                name = below + entry.name
                if entry.name.isidentifier() and entry.name not in _LEFT_OUT and not missing.reason(name):
                    self.collect(entry.path, name + ".", root)
            elif suffix == "py":
                name = below[:-1] if stem == "__init__" else below + stem
                if name and not missing.reason(name):
                    with open(entry.path, "rb") as file:
                        code = compile(file.read(), path, "exec", dont_inherit=True)
                    self._code[name] = marshal.dumps(code)
                    if stem == "__init__":
                        self._packages.add(name)
            elif below:
                with open(entry.path, "rb") as file:
                    self._data[path] = file.read()

    def adapt(self, name, change):
        """Has `change(module)` called when the module `name` has just been imported; at once if it is already."""
        if name in sys.modules:
            change(sys.modules[name])
        else:
            self._adapt[name] = change

    def adopt(self):
        """Makes this the loader of the modules that were imported from the library's folder before it stood here."""
        for name, module in list(sys.modules.items()):
            if name in self._code and module.__spec__.origin != "frozen":
                module.__spec__ = self.find_spec(name)
                module.__loader__ = self
                vars(module).pop("__cached__", None)

    def give_way(self, entries):
        """Has modules found in the script's folder, which comes first as everywhere, where it has one of that name.

        `entries` are the names in that folder. Modules of the library that are imported keep each other.
        """
        for entry in entries:
            stem, _, suffix = entry.rpartition(".")
            name = stem if suffix == "py" else entry
            if name not in self._code or name in _LOADED_FIRST:
                continue
            # A folder without this file gives way to a module, as everywhere.
            if suffix == "py" or _exists(f"/app/{entry}/__init__.py"):
                self._given_way.add(name)
                for loaded in [one for one in sys.modules if one == name or one.startswith(name + ".")]:
                    del sys.modules[loaded]

    def names(self):
        """The names of all modules held."""
        return list(self._code)

    # The import protocol.

    def find_spec(self, name, path=None, target=None):
        if name in self._code and name.partition(".")[0] not in self._given_way:
            package = name in self._packages
            folder = f"{ROOT}/{name.replace('.', '/')}"
            origin = f"{folder}/__init__.py" if package else f"{folder}.py"
            spec = ModuleSpec(name, self, origin=origin, is_package=package)
            spec.has_location = True
            spec.cached = None
            if package:
                spec.submodule_search_locations.append(folder)
            return spec
        for folder in path or ():
            if type(folder) is str and folder.startswith(ROOT + "/"):
                # Nothing of the library is in the file system. Who looks there also looks at all folders above, and in the end
                # into the script's, which an image of packages must not depend on.
                sys.path_importer_cache.setdefault(folder, None)
        if _is_import() and (message := missing.sentence(name)) and PathFinder.find_spec(name, path) is None:
            # A bundle or package may have a module of that name: `test` and `venv` are common ones.
            raise ModuleNotFoundError(message, name=name)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__spec__.name
        scope = vars(module)
        # Otherwise exec() would hand on the harness's private builtins.
        scope["__builtins__"] = vars(builtins)
        exec(marshal.loads(self._code[name]), scope)
        if change := self._adapt.pop(name, None):
            change(module)

    # What `inspect`, `pkgutil`, `runpy` and `importlib.resources` ask of a loader.

    def get_code(self, name):
        return marshal.loads(self._code[name])

    def get_source(self, name):
        return None

    def is_package(self, name):
        return name in self._packages

    def get_filename(self, name):
        return self.find_spec(name).origin

    def get_data(self, path):
        try:
            return self._data[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def get_resource_reader(self, name):
        return resources.Reader(self._data, f"{ROOT}/{name.replace('.', '/')}")


# Warnings of a module that is being imported belong to the line that imports it. `warnings` passes over the frames of the
# import system, which it knows by their file.
Library.exec_module.__code__ = Library.exec_module.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")


class Unknown:
    """The last finder: says what to do about a package that is not there."""

    def find_spec(self, name, path=None, target=None):
        if path is None and _is_import() and not _importer().startswith(_TRY_AND_SEE):
            raise ModuleNotFoundError(
                instead.sentence(name)
                or removed.sentence(name)
                or f"No module named {name!r}: it is not in the standard library, nor in the script's bundle and packages: "
                "list the package under dependencies (PEP 723), or in requirements.txt",
                name=name,
            )
        return None


def _is_import():
    """Whether the finder was called to import, not to look (`importlib.util.find_spec` answers None for a module that
    is not there, and must go on doing so)."""
    return sys._getframe(3).f_code is _IMPORTING


def _importer():
    """The file whose import statement is being carried out. Modules of the library probe for modules that may be
    missing (`_hashlib`, `org.python.core`), and so do those of packages; only a script is told what to do about one."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_MACHINERY):
        frame = frame.f_back
    return "" if frame is None else frame.f_code.co_filename
