"""From the bytes that were uploaded to a code object, and which way it is to be run."""

from .kept import __builtins__

import _imp
import marshal
from dis import get_instructions
from importlib.util import MAGIC_NUMBER
from opcode import opmap
from types import CodeType

_compile = compile
_unmarshal = marshal.loads
_set_file = _imp._fix_co_filename

_STORE_NAME = opmap["STORE_NAME"]
_DEFINES = {
    opmap[name]
    for name in (
        "MAKE_FUNCTION",
        "SET_FUNCTION_ATTRIBUTE",
        "CALL",
        "CALL_KW",
        "CALL_FUNCTION_EX",
        "IMPORT_FROM",
        "LOAD_NAME",
        "LOAD_ATTR",
    )
}


def load(source, path):
    """Compiles a script. The interpreter decodes it: byte order mark, coding line and CRLF mean what they always do.
    What was compiled already (the content of a `.pyc` file) is taken as it is."""
    if is_compiled(source):
        return _load_compiled(source, path)
    try:
        return _compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        if problem := _encoding_problem(source, path, error):
            raise problem from None
        raise


def is_compiled(source):
    """Whether this is the content of a `.pyc` file: its magic number (3000 and up for Python 3, 62000 and up for Python 2)
    and a line break. The number's second byte is one that no source has there."""
    return source[2:4] == b"\r\n" and len(source) >= 16 and (11 <= source[1] <= 15 or source[1] >= 242)


def _load_compiled(source, path):
    if source[:4] != MAGIC_NUMBER:
        theirs, ours = (int.from_bytes(magic[:2], "little") for magic in (source, MAGIC_NUMBER))
        raise _problem(f"the file was compiled by another Python: its magic number is {theirs}, this one's is {ours}", path, 1)
    try:
        code = _unmarshal(source[16:])
    except (EOFError, TypeError, ValueError):
        code = None
    if type(code) is not CodeType:
        raise _problem("the file was compiled by this Python, but it is damaged", path, 1)
    _set_file(code, path)
    return code


def calls_run(code, args):
    """Whether a file for which no entry was named is called by its function `run`: it defines one, and does not say
    itself, by `if __name__ == "__main__":`, that it is to be run from top to bottom.

    Such a guard only repeats what a call does where it calls `run()` without arguments. And where the run has arguments,
    or `run` takes a `context`, it is for `run` that they were made.
    """
    if not defines_run(code):
        return False
    return not has_guard(code) or args not in ("{}", "[]", "") or _takes_context(code) or _calls_plainly(code)


def has_guard(code):
    """Whether the top level of the file compares `__name__` with `"__main__"`."""
    if "__name__" not in code.co_names or "__main__" not in code.co_consts:
        return False
    steps = [(step.opname, step.argval) for step in get_instructions(code)]
    return any(
        compared == "COMPARE_OP" and {one, other} == {"__name__", "__main__"}
        for (_, one), (_, other), (compared, _) in zip(steps, steps[1:], steps[2:])
        if isinstance(one, str) and isinstance(other, str)
    )


def _takes_context(code):
    return any(
        type(made) is CodeType and made.co_name == "run" and "context" in made.co_varnames[: _parameters(made)]
        for made in code.co_consts
    )


def _parameters(code):
    return code.co_argcount + code.co_kwonlyargcount


def _calls_plainly(code):
    """Whether the top level of the file calls `run()`."""
    steps = [(step.opname, step.argval) for step in get_instructions(code)]
    return any(
        loaded[1] == "run" and loaded[0].startswith("LOAD") and empty[0] == "PUSH_NULL" and call == ("CALL", 0)
        for loaded, empty, call in zip(steps, steps[1:], steps[2:])
    )


def defines_run(code):
    """Whether the top level of the file binds the name `run` to something that may be a function.

    It must be known before the first line runs, because `__name__` differs: `"__main__"` when the file runs from top to
    bottom, the script's name when its `run` is called. So the bytecode is looked at: `run` is stored, and what is
    stored comes from a `def` or `lambda`, a decorator or other call, an import, or another name. A loop variable or a
    constant called `run` does not count; nor does what `from x import *` may bring.
    """
    names = code.co_names
    if "run" not in names:
        return False
    index = names.index("run")
    instructions = code.co_code
    store = bytes((_STORE_NAME, index & 0xFF))
    at = instructions.find(store)
    while at >= 0:
        # Instructions are two bytes; inline caches are zeros here, and no store has any.
        if at % 2 == 0 and _extension(instructions, at) == index >> 8 and _previous(instructions, at) in _DEFINES:
            return True
        at = instructions.find(store, at + 1)
    return False


def _extension(instructions, at):
    """The higher bits of the argument of the instruction at `at`."""
    value = shift = 0
    while at >= 2 and instructions[at - 2] == opmap["EXTENDED_ARG"]:
        at -= 2
        value |= instructions[at + 1] << shift
        shift += 8
    return value


def _previous(instructions, at):
    """The operation before the one at `at`, past its own prefixes and the other's caches."""
    while at >= 2:
        at -= 2
        if instructions[at] not in (opmap["EXTENDED_ARG"], opmap["CACHE"]):
            return instructions[at]
    return None


def _encoding_problem(source, path, error):
    """A SyntaxError that names line and remedy where CPython's own is about bytes, or None."""
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _problem("the file is UTF-16: save it as UTF-8", path, 1)
    nul = source.find(b"\0")
    if nul >= 0:
        line = source.count(b"\n", 0, nul) + 1
        return _problem(f"line {line} holds a NUL byte: this is no Python source, or it is damaged", path, line)
    if "codec can't decode" in (error.msg or "") or "Non-UTF-8" in (error.msg or ""):
        try:
            source.decode("utf-8")
        except UnicodeDecodeError as failed:
            line = source.count(b"\n", 0, failed.start) + 1
            return _problem(
                f"line {line} is not UTF-8 (byte 0x{source[failed.start]:02x}): save the file as UTF-8, or name its "
                f"encoding in the first line: # -*- coding: {likely_encoding(source)} -*-",
                path,
                line,
            )
    return None


def likely_encoding(source):
    """The encoding that a text which is not UTF-8 probably has: GBK, where its bytes come in the pairs of that, else
    latin-1."""
    try:
        text = source.decode("gbk")
    except UnicodeDecodeError:
        return "latin-1"
    others = [letter for letter in text if not letter.isascii()]
    common = sum("\u4e00" <= letter <= "\u9fff" or "\u3000" <= letter <= "\u303f" or "\uff00" <= letter <= "\uffef" for letter in others)
    return "gbk" if common * 2 >= len(others) else "latin-1"


def _problem(message, path, line):
    return SyntaxError(message, (path, line, None, None))
