"""Making everything in the snapshot immortal.

Using an object counts references to it, and counting dirties its page: nearly half of the pages that a short run copied
were copied for nothing else. CPython has a way out, immortal objects, whose count is never touched; it offers no way to
make one. So the counts are written here, once, while the interpreter is built, straight into its memory.

Reaching memory from Python takes a code object that loads a constant from beyond its tuple of constants, where it finds
a `bytearray` made by hand that spans the whole linear memory. This leans on the layout of objects in the one build of
CPython that is pinned, with 32-bit addresses. What was done is checked, and the build fails where it did not work.
"""

from .kept import __builtins__

import gc
import struct
import sys
from opcode import opmap

_IMMORTAL = struct.pack("<I", 5 << 28)

_CONTENT_AT = 16
"""Where the bytes of a `bytes` object begin, and likewise the items of a tuple."""


def immortalise():
    """Makes every object immortal that can be reached now; what a run makes itself is counted as ever."""
    memory, parts = _all_memory()
    # The pieces the view is made of must not be freed: they are no objects of the allocator.
    _kept.append((memory, parts))
    content = id(_TEXT) + _CONTENT_AT
    if memory[content : content + len(_TEXT)] != _TEXT:
        raise RuntimeError("the interpreter's memory is not laid out as expected")

    # What is immortal has been visited. That is so without a record of half a million addresses, which would be left
    # behind as garbage in the snapshot; only the built-in types, immortal from the beginning, are recorded.
    types = set()
    todo = gc.get_objects()
    passing = {id(memory), id(types), id(todo)}
    todo.append(sys.modules)
    while todo:
        found = todo.pop()
        address = id(found)
        if sys._is_immortal(found):
            if type(found) is not type or address in types:
                continue
            types.add(address)
        elif address in passing:
            continue
        else:
            memory[address : address + 4] = _IMMORTAL
        todo += gc.get_referents(found)

    if not all(map(sys._is_immortal, (immortalise, immortalise.__code__, _kept, sys.modules, _TEXT))):
        raise RuntimeError("objects could not be made immortal")


_STACK_TOP = 1 << 20
"""Where CPython's stack in linear memory begins; it grows down to 0."""
_MARGIN = 8 << 10
_STACK = 256 << 10
"""How much of it CPython may use: what a frame takes of the host's stack is at most 32 times as much, and that has 8 MiB."""
_recursion = None


def limit_recursion():
    """Has CPython stop recursion in C before the machine's own stack ends. Called when a run begins: CPython sets its
    limits when it is entered.

    CPython measures the stack in linear memory, of which a frame takes a few bytes; the host's stack, of which the same
    frame takes hundreds, ended first: an interpreter that crashed instead of a RecursionError.
    """
    memory, start, limits = _recursion
    memory[start : start + 8] = limits


def find_recursion_limits():
    """Finds where CPython keeps the limits of its stack, while the interpreter is built."""
    global _recursion
    memory, parts = _all_memory()
    _kept.append((memory, parts))
    known = struct.pack("<3I", _STACK_TOP, 2 * _MARGIN, _MARGIN)
    # CPython's static data lie between the stack and the heap, where other copies of these numbers are. In small parts,
    # which leave no holes in the memory that is written down.
    for start in range(_STACK_TOP, id(_TEXT), 4096):
        at = memory[start : start + 4096 + len(known) - 1].find(known)
        if at >= 0:
            break
    else:
        raise RuntimeError("the limits of CPython's stack are not where they are expected")
    soft = _STACK_TOP - _STACK
    # The first of the three is where the stack begins.
    _recursion = (memory, start + at + 4, struct.pack("<2I", soft, soft - _MARGIN))


_kept = []
_TEXT = b"a text whose place in memory is known"


def _all_memory():
    """A bytearray over the whole of linear memory, and the objects it consists of."""
    most = 0x7FFFFFFF
    body = struct.pack("<7I", 1 << 20, id(bytearray), most, most, 0, 0, 0)
    pointer = struct.pack("<I", id(body) + _CONTENT_AT)
    constants = (None,)
    # From the first constant to the pointer, in items.
    distance = (id(pointer) - id(constants)) // 4 & 0xFFFFFFFF
    load = bytearray((opmap["RESUME"], 0))
    for shift in (24, 16, 8):
        load += bytes((opmap["EXTENDED_ARG"], distance >> shift & 0xFF))
    load += bytes((opmap["LOAD_CONST"], distance & 0xFF, opmap["RETURN_VALUE"], 0))

    def view():
        pass

    view.__code__ = view.__code__.replace(co_code=bytes(load), co_consts=constants)
    return view(), (body, pointer, constants, view)
