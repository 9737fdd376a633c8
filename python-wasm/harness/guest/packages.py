"""What a script imports of its packages before it does anything else, and images of sandboxes that have imported it.

A script's *first imports* are the modules of its packages that it imports before the first statement that could change
how they are imported: a call, an assignment to an attribute, an import of a module of its own. They are imported ahead of
the script, by the same function in a run and where an image is made, so that a run is the same with and without an image.
"""

from .kept import __builtins__

import builtins
import gc
import os
import posix
import random
import sys
from importlib._bootstrap_external import _LoaderBasics
from opcode import opmap
from types import FunctionType

from . import host, renewed, stdlib, streams
from .text import clean, type_name

FOLDER = "/packages"

_EXTENDED_ARG, _LOAD_CONST, _IMPORT_NAME = opmap["EXTENDED_ARG"], opmap["LOAD_CONST"], opmap["IMPORT_NAME"]
_EXTENDS = frozenset(opmap[name] for name in ("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE"))
"""They run the code of what is added, unless that is a constant."""
_CHANGES_NOTHING = frozenset(
    opmap[name]
    for name in (
        "BUILD_LIST BUILD_MAP BUILD_SET BUILD_TUPLE CACHE COPY IMPORT_FROM LOAD_CONST LOAD_NAME LOAD_SMALL_INT MAKE_FUNCTION "
        "NOP NOT_TAKEN POP_TOP RESUME SET_FUNCTION_ATTRIBUTE STORE_NAME SWAP"
    ).split()
)
"""Instructions between imports that have no effect on them: binding names, making functions and values."""

_HEADROOM = 1 << 20

_listdir = os.listdir
_import = __import__
_traceback = BaseException.__dict__["__traceback__"]
_fstat = os.fstat
_putenv = posix.putenv
_unsetenv = posix.unsetenv
_HANDLES = range(3, 64)
"""Descriptors that are looked at: those of the folders come first, and a module that is imported opens few."""

_environ = os.environ
_content = _environ._data
_done = ()
"""The first imports that this memory has behind it."""
_prepared_environment = ()
"""The environment in which they were imported."""


def first_imports(code, own):
    """The first imports of a compiled script, in order, each as `name` or `name:attribute,attribute`; and for each, where its
    instruction is.

    `own` are the names in the script's folder: a module of the script's own runs code that can do anything.
    """
    own = {entry.partition(".")[0] for entry in own}
    theirs = {entry.partition(".")[0] for entry in _listdir(FOLDER)}
    found, places = [], []
    instructions = code.co_code
    extension = 0
    constant = None
    before = None
    for at in range(0, len(instructions), 2):
        operation, argument = instructions[at], instructions[at + 1] | extension
        if operation == _EXTENDED_ARG:
            extension = argument << 8
            continue
        extension = 0
        if operation == _IMPORT_NAME:
            name = code.co_names[argument]
            top = name.partition(".")[0]
            if top in own:
                break
            if top in theirs:
                names = constant if type(constant) is tuple else ()
                found.append(f"{name}:{','.join(names)}" if names else name)
                places.append(at)
        elif operation not in _CHANGES_NOTHING and not (operation in _EXTENDS and before == _LOAD_CONST):
            break
        elif operation == _LOAD_CONST:
            constant = code.co_consts[argument]
        before = operation
    return found, places


def are_imported(modules):
    """Whether this memory has imported exactly these."""
    return _done == tuple(modules)


def import_ahead(modules, code, places, name):
    """Imports the modules, each as if from its line of the script, which is called `name`: warnings of a module belong to
    the line that imports it. An error is raised where the script imports the same."""
    scope = {"__name__": name, "__file__": code.co_filename, "__builtins__": vars(builtins)}
    for text, line in zip(modules, _lines(code, places)):
        try:
            # The call is in the line after the first.
            lines = _call.__code__.replace(co_filename=code.co_filename, co_name="<module>", co_firstlineno=line - 1)
            _import_one(text, FunctionType(lines, scope))
        except BaseException as error:
            _leave_out_calls(error)
            if missing := _missing_of(text):
                sys.meta_path.insert(0, _Raises(missing, error))
            break
    gc.collect()
    # The garbage collector leaves alone what was imported, as it does where an image has it.
    gc.freeze()


def _lines(code, places):
    """The lines of instructions, which are in order."""
    found = []
    for _, end, line in code.co_lines():
        while len(found) < len(places) and places[len(found)] < end:
            found.append(line or code.co_firstlineno)
    return found


def _call(function, name, names):
    function(name, {}, {}, names)


def _leave_out_calls(error):
    """Takes the three calls that lead to an import off its traceback: the script's own line is put before it later."""
    trace = _traceback.__get__(error)
    for _ in range(3):
        trace = trace and trace.tb_next
    _traceback.__set__(error, trace)


def _import_one(text, call=_call):
    name, _, names = text.partition(":")
    call(_import, name, names.split(",") if names else ())


def _missing_of(text):
    """The module that is not there after its import has failed."""
    name, _, names = text.partition(":")
    parts = name.split(".")
    chain = [".".join(parts[: count + 1]) for count in range(len(parts))]
    chain += [f"{name}.{one}" for one in names.split(",")] if names else []
    return next((one for one in chain if one not in sys.modules), None)


class _Raises:
    """The first finder, once: the import of this module has failed already."""

    def __init__(self, name, error):
        self._name = name
        self._error = error

    def find_spec(self, name, path=None, target=None):
        if name == self._name:
            sys.meta_path.remove(self)
            raise self._error
        return None


class _Asked:
    """The first finder while an image is prepared: notes the names that are asked for, also those of no module."""

    def __init__(self, names):
        self._names = names

    def find_spec(self, name, path=None, target=None):
        self._names.add(name.partition(".")[0])
        return None


class _Arguments(list):
    """`sys.argv` while an image is prepared: notes whether it is read."""

    is_read = False


def _reading(method):
    def read(self, *arguments):
        self.is_read = True
        return method(self, *arguments)

    return read


for _name in "__getitem__ __iter__ __len__ __contains__ __eq__ __repr__ __add__ copy index count pop".split():
    setattr(_Arguments, _name, _reading(getattr(list, _name)))


class Refused(Exception):
    """Why there can be no image."""


def prepare(modules, environment):
    """Imports the modules for an image. Returns the names of all top-level modules that are imported, and of the
    variables that were asked for ("*" for all); raises Refused.

    What only the host can see is checked there: random bytes, clocks, output, files, handles.
    """
    global _done, _prepared_environment
    known = _handles()
    state = random.getstate()
    set_environment(environment)
    # The C library reads it, which cannot be noticed here.
    asked = {"TZ"}
    names = set()
    path, finder, arguments, given = list(sys.path), _Asked(names), sys.argv, _Arguments([""])
    # What imports find in the script's folder is another thing for each script.
    sys.path.remove("/app")
    sys.meta_path.insert(0, finder)
    sys.argv = given
    _watch(asked)
    loaders = [(_LoaderBasics, _LoaderBasics.exec_module), (stdlib.Library, stdlib.Library.exec_module)]
    for loader, execute in loaders:
        loader.exec_module = _noticing(execute)
    host.importing(True)
    try:
        for text in modules:
            _import_one(text)
    except BaseException as error:
        raise Refused(f"the import of {text.partition(':')[0]} fails: {_said(error)}") from None
    finally:
        for loader, execute in loaders:
            loader.exec_module = execute
        _watch(None)
        sys.argv = arguments
        sys.path[:] = path
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    # What is let go of now does so in the preparation, and not in each run.
    gc.collect()
    streams.flush()
    host.loaded(host.MARK)
    if given.is_read or gc.get_referrers(given):
        raise Refused("an import reads the arguments of the program")
    if sys.gettrace() is not None or sys.getprofile() is not None:
        raise Refused("an import sets a function for tracing")
    if random.getstate() != state:
        raise Refused("an import draws random numbers")
    if os.getcwd() != "/app":
        raise Refused("an import changes the working directory")
    if _handles() != known:
        raise Refused("an import leaves a file open")
    try:
        renewed.renew(sys.modules)
    except Exception as error:
        raise Refused(f"what a module has drawn cannot be drawn again: {_said(error)}") from None
    random.setstate(state)
    _done = tuple(modules)
    _prepared_environment = tuple(name.encode() for name, _ in environment)
    for entry in [entry for entry in sys.path_importer_cache if not f"{entry}/".startswith(FOLDER + "/")]:
        del sys.path_importer_cache[entry]
    gc.collect()
    gc.freeze()
    # With free memory at the heap's top a small run does not have to grow it.
    headroom = bytearray(_HEADROOM)
    del headroom
    names |= {name.partition(".")[0] for name in sys.modules if type(name) is str}
    return sorted(names), sorted(asked)


_is_noticed = True


def _noticing(execute):
    """Executes modules so that the host does not notice what those that are renewed ask for."""

    def exec_module(self, module):
        global _is_noticed
        outer, _is_noticed = _is_noticed, module.__spec__.name not in renewed.RENEW
        state = None if _is_noticed else random.getstate()
        if outer is not _is_noticed:
            host.importing(_is_noticed)
        try:
            execute(self, module)
        finally:
            if outer is not _is_noticed:
                host.importing(outer)
            _is_noticed = outer
            if state is not None:
                random.setstate(state)

    return exec_module


def renew():
    """Draws again, in a run that begins as an image, what its modules have drawn when they were imported."""
    if _done:
        renewed.renew(sys.modules)


def set_environment(variables):
    """Sets the environment of a run, and takes away what the image's had beyond it."""
    # Not through `os.environ`: packages that are imported already can have changed the builtins that it needs.
    found = [(name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")) for name, value in variables]
    names = {name for name, _ in found}
    for name in _prepared_environment:
        if name not in names:
            _unsetenv(name)
            _content.pop(name, None)
    for name, value in found:
        _putenv(name, value)
        _content[name] = value


def _said(error):
    try:
        return clean(f"{type_name(type(error))}: {error}", 300)
    except BaseException:
        return "an error that cannot be told"


def _handles():
    """The descriptors that are open."""
    found = set()
    for number in _HANDLES:
        try:
            _fstat(number)
        except OSError:
            continue
        found.add(number)
    return found


def _watch(asked):
    """Notes the names of variables that are asked for in `asked`; None ends it."""
    # Other modules hold this very dict.
    if asked is not None:
        _environ._data = os.environb._data = _Watched(_content, asked)
    else:
        # Copying it asks for everything.
        _environ._data._asked = set()
        changed = dict.copy(_environ._data)
        _content.clear()
        _content.update(changed)
        _environ._data = os.environb._data = _content


class _Watched(dict):
    """The content of `os.environ`, which notes the names that are asked for."""

    __slots__ = ("_asked",)

    def __init__(self, content, asked):
        dict.__init__(self, content)
        self._asked = asked


def _noting_one(method):
    def noting(self, key, *values):
        self._asked.add(key.decode("utf-8", "replace") if type(key) is bytes else "*")
        return method(self, key, *values)

    return noting


def _noting_all(method):
    def noting(self, *arguments):
        self._asked.add("*")
        return method(self, *arguments)

    return noting


for _name in "__getitem__ __setitem__ __delitem__ __contains__ get pop setdefault".split():
    setattr(_Watched, _name, _noting_one(getattr(dict, _name)))
for _name in "__iter__ __len__ copy items keys values popitem clear update".split():
    setattr(_Watched, _name, _noting_all(getattr(dict, _name)))
