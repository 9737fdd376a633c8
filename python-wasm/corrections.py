"""Changes seven functions of the C libraries in the component that componentize-py makes.

The libraries are built without time zones, without file locks and without random numbers for SQLite, and there is no setting
for any of these. Each change is a beginning that is put before what a function does already; in two of them, some
instructions are replaced:

    __secs_to_zone       wasi-libc: local time, by a table that the harness makes of a zone (harness/guest/localtime.py)
    __tm_to_tzname       wasi-libc: the name of a zone for a time that does not bring one
    fcntl                wasi-libc: locks of files are granted, since a run is the only process that it knows
    dotlockIoFinderImpl  SQLite: the VFS that it opens files with keeps account of the locks of a process, as elsewhere
    __wasilibc_nocwd_fstatat
                         wasi-libc: what `stat` says of a symbolic link has the number of the file that it leads to
    __wasilibc_find_relpath_alloc
                         wasi-libc: a path without a character leads nowhere (POSIX), and not to the working directory
    unixRandomness       SQLite: what its generator begins with is random, where it was nothing but zeros

A function that is not there, or is there twice, ends the build; so does one without the instructions to replace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# What the table is found by: an environment variable, whose value is the table's address in decimal digits. The name has
# seven letters, so that it and its end are the eight bytes of one number.
TABLE = "TZTABLE"

# Parameters, locals and instructions of WebAssembly, in its text form; what is not named here goes on as before.
LOCAL_TIME = (
    "t local isdst offset opposite name",
    "entry:i32 table:i32 low:i32 count:i32 half:i32",
    f"""
    global.get $__stack_pointer  i32.const 16  i32.sub  local.tee $low  global.set $__stack_pointer
    local.get $low  i64.const {int.from_bytes(TABLE.encode() + bytes(1), "little")}  i64.store 0
    local.get $low  call $getenv  local.set $table
    local.get $low  i32.const 16  i32.add  global.set $__stack_pointer
    local.get $table
    if
      local.get $table  i32.const 0  i32.const 10  call $strtoul  local.set $table

      ;; Behind the end of the table its last 400 years come again.
      local.get $t  local.get $table  i64.load 0  i64.ge_s
      if
        local.get $t  local.get $table  i64.load 0  i64.sub  i64.const 12622780800  i64.rem_u
        local.get $table  i64.load 0  i64.add  i64.const 12622780800  i64.sub
        local.set $t
      end

      ;; The last entry that begins at t or before. Each has its beginning in UTC and, behind it, in local time.
      local.get $table  i32.const 16  i32.add  local.set $low
      local.get $table  i32.load 8  local.set $count
      block
        loop
          local.get $count  i32.const 2  i32.lt_u  br_if 1
          local.get $low  local.get $count  i32.const 1  i32.shr_u  local.tee $half  i32.const 32  i32.mul  i32.add
          local.set $entry
          local.get $t
          local.get $entry  local.get $local  i32.const 3  i32.shl  i32.add  i64.load 0
          i64.ge_s
          if
            local.get $entry  local.set $low
            local.get $count  local.get $half  i32.sub  local.set $count
          else
            local.get $half  local.set $count
          end
          br 0
        end
      end

      local.get $isdst  if  local.get $isdst  local.get $low  i32.load 24  i32.store 0  end
      local.get $offset  if  local.get $offset  local.get $low  i32.load 16  i32.store 0  end
      local.get $opposite  if  local.get $opposite  local.get $low  i32.load 20  i32.store 0  end
      local.get $name  if  local.get $name  local.get $low  i32.load 28  i32.store 0  end
      return
    end
    """,
)
ZONE_NAME = (
    "tm",
    "place:i32",
    """
    local.get $tm  i32.load 40  i32.eqz
    if
      global.get $__stack_pointer  i32.const 16  i32.sub  local.tee $place  global.set $__stack_pointer
      local.get $tm  call $__tm_to_secs  i32.const 1  i32.const 0  i32.const 0  i32.const 0  local.get $place
      call $__secs_to_zone
      local.get $place  i32.const 16  i32.add  global.set $__stack_pointer
      local.get $place  i32.load 0  return
    end
    """,
)
# 12 is F_GETLK, which answers in the lock it is given that nobody has it (2, F_UNLCK); 13 and 14 are F_SETLK and F_SETLKW.
LOCKS = (
    "descriptor command arguments",
    "",
    """
    local.get $command  i32.const 12  i32.eq
    if
      local.get $arguments  i32.load 0  i32.const 2  i32.store16 0
      i32.const 0  return
    end
    local.get $command  i32.const 13  i32.sub  i32.const 2  i32.lt_u
    if
      i32.const 0  return
    end
    """,
)
LOCKS_OF_SQLITE = ("path file", "", "local.get $path  local.get $file  call $posixIoFinderImpl  return")

# Callers take -1 for "no such file". `os.path.exists("")` was true otherwise, and an import that looks at "" looked into the
# script's folder.
NO_PATH = (
    "path",
    "",
    """
    local.get $path  i32.load8_u 0  i32.eqz
    if
      i32.const -1  return
    end
    """,
)

# It asks for the number of a file without following a link, whatever its fourth parameter says (1, AT_SYMLINK_NOFOLLOW).
NUMBER_OF_FILE = (
    "i32.const 0  local.get 4  i32.const 132  i32.add  local.get 4  i32.const 112  i32.add",
    """
    local.get 3  i32.const -1  i32.xor  i32.const 1  i32.and
    local.get 4  i32.const 132  i32.add  local.get 4  i32.const 112  i32.add
    """,
)

# It fills the bytes (third parameter; their number is the second) with zeros. So `random()`, `randomblob()` and the names of
# temporary files were the same in each run. SQLite asks when its first random number is wanted, for 44 bytes; up to 256 can
# be had at once.
SEED_OF_SQLITE = (
    "local.get 2  i32.const 0  local.get 1  memory.fill",
    "local.get 2  i32.const 0  local.get 1  memory.fill  local.get 2  local.get 1  call $getentropy  drop",
)

CORRECTIONS: dict[str, tuple[str, ...]] = {
    "__secs_to_zone": LOCAL_TIME,
    "__tm_to_tzname": ZONE_NAME,
    "fcntl": LOCKS,
    "dotlockIoFinderImpl": LOCKS_OF_SQLITE,
    "__wasilibc_nocwd_fstatat": NUMBER_OF_FILE,
    "__wasilibc_find_relpath_alloc": NO_PATH,
    "unixRandomness": SEED_OF_SQLITE,
}
"""By function: parameters, locals and instructions of a beginning; or instructions, and others in their place."""

_OPCODES = {
    "block": 0x02, "loop": 0x03, "if": 0x04, "else": 0x05, "end": 0x0B, "br": 0x0C, "br_if": 0x0D, "return": 0x0F,
    "call": 0x10, "drop": 0x1A, "local.get": 0x20, "local.set": 0x21, "local.tee": 0x22, "global.get": 0x23, "global.set": 0x24,
    "i32.load": 0x28, "i64.load": 0x29, "i32.store": 0x36, "i64.store": 0x37, "i32.load8_u": 0x2D, "i32.store16": 0x3B,
    "i32.const": 0x41, "i64.const": 0x42, "i32.eqz": 0x45, "i32.eq": 0x46, "i32.lt_u": 0x49, "i64.ge_s": 0x59, "i32.add": 0x6A,
    "i32.sub": 0x6B, "i32.mul": 0x6C, "i32.and": 0x71, "i32.xor": 0x73, "i32.shl": 0x74, "i32.shr_u": 0x76, "i64.add": 0x7C, "i64.sub": 0x7D,
    "i64.rem_u": 0x82,
}  # fmt: skip
# For the memory that there is.
_MEMORY_FILL = b"\xfc\x0b\0"
_BLOCKS = {"block", "loop", "if"}
_TYPES = {"i32": 0x7F, "i64": 0x7E}
_NO_RESULT = 0x40
_CUSTOM, _CORE_MODULE, _IMPORTS, _CODE = 0, 1, 2, 10


class CorrectionError(Exception):
    """Why a component cannot be corrected: one sentence."""


def correct(component: bytes) -> bytes:
    """The component with all corrections."""
    todo = dict(CORRECTIONS)
    parts = [component[:8]]
    for kind, content in _sections(component, 8):
        if kind == _CORE_MODULE:
            module = _Module.read(content)
            here = [name for name in CORRECTIONS if module.defines(name)]
            if twice := [name for name in here if name not in todo]:
                raise CorrectionError(f"more than one module of the component defines {twice[0]}")
            if here:
                content = _corrected(content, module, {module.functions[name]: todo.pop(name) for name in here})
        parts += [bytes([kind]), _unsigned(len(content)), content]
    if todo:
        raise CorrectionError(f"no module of the component defines {', '.join(todo)}")
    return b"".join(parts)


@dataclass
class _Module:
    """What has to be known of a core module: numbers by names."""

    functions: dict[str, int]
    globals: dict[str, int]
    imported: int

    @classmethod
    def read(cls, module: bytes) -> _Module:
        functions: dict[str, int] = {}
        globals_: dict[str, int] = {}
        imported = 0
        for kind, content in _sections(module, 8):
            if kind == _IMPORTS:
                imported, globals_ = _imports(content)
            elif kind == _CUSTOM:
                functions.update(_function_names(content, imported))
        return cls(functions, globals_, imported)

    def defines(self, function: str) -> bool:
        return self.functions.get(function, -1) >= self.imported


def _corrected(module: bytes, known: _Module, corrections: dict[int, tuple[str, ...]]) -> bytes:
    """A core module with functions changed, by their number."""
    parts = [module[:8]]
    for kind, content in _sections(module, 8):
        if kind == _CODE:
            count, at = _number(content, 0)
            bodies = [_unsigned(count)]
            for index in range(known.imported, known.imported + count):
                size, at = _number(content, at)
                body = content[at : at + size]
                at += size
                change = corrections.get(index)
                if change is not None:
                    body = _begin(body, known, *change) if len(change) == 3 else _replace(body, known, *change)
                bodies += [_unsigned(len(body)), body]
            content = b"".join(bodies)
        parts += [bytes([kind]), _unsigned(len(content)), content]
    return b"".join(parts)


def _begin(body: bytes, module: _Module, parameters: str, own: str, text: str) -> bytes:
    """A function's body with instructions before its own."""
    names = parameters.split()
    groups, at = _number(body, 0)
    before = at
    taken = 0
    for _ in range(groups):
        count, at = _number(body, at)
        taken += count
        at += 1
    new = [part.split(":") for part in own.split()]
    local = {name: index for index, name in enumerate(names)}
    local |= {name: len(names) + taken + index for index, (name, _) in enumerate(new)}
    declared = _unsigned(groups + len(new)) + body[before:at] + b"".join(bytes([1, _TYPES[kind]]) for _, kind in new)
    lines = [line.partition(";;")[0] for line in text.splitlines()]
    return declared + _assemble(" ".join(lines).split(), module, local) + body[at:]


def _replace(body: bytes, module: _Module, old: str, new: str) -> bytes:
    """A function's body with some of its instructions replaced."""
    before, after = (_assemble(text.split(), module, {}) for text in (old, new))
    if body.count(before) != 1:
        raise CorrectionError(f"a function has these instructions {body.count(before)} times, not once: {old}")
    return body.replace(before, after)


def _assemble(words: list[str], module: _Module, local: dict[str, int]) -> bytes:
    """Instructions from their names and operands."""
    rest = iter(words)
    code = bytearray()
    for name in rest:
        if name == "memory.fill":
            code += _MEMORY_FILL
            continue
        code.append(_OPCODES[name])
        if name in _BLOCKS:
            code.append(_NO_RESULT)
        elif name.startswith("local."):
            place = next(rest)
            code += _unsigned(local[place[1:]] if place.startswith("$") else int(place))
        elif name.startswith("global."):
            code += _unsigned(_known(module.globals, next(rest)[1:]))
        elif name == "call":
            code += _unsigned(_known(module.functions, next(rest)[1:]))
        elif name.endswith(".const"):
            code += _signed(int(next(rest)))
        elif "load" in name or "store" in name:
            # The alignment is a hint; the offset counts.
            code += bytes(1) + _unsigned(int(next(rest)))
        elif name.startswith("br"):
            code += _unsigned(int(next(rest)))
    return bytes(code)


def _known(numbers: dict[str, int], name: str) -> int:
    if name not in numbers:
        raise CorrectionError(f"a correction uses {name}, which its module has not")
    return numbers[name]


# The binary format


def _sections(binary: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at < len(binary):
        kind = binary[at]
        size, at = _number(binary, at + 1)
        yield kind, binary[at : at + size]
        at += size


def _imports(content: bytes) -> tuple[int, dict[str, int]]:
    """How many functions are imported, and the numbers of imported globals."""
    functions = 0
    globals_: dict[str, int] = {}
    count, at = _number(content, 0)
    for _ in range(count):
        _, at = _name(content, at)
        name, at = _name(content, at)
        kind, at = content[at], at + 1
        if kind == 0:
            functions += 1
            _, at = _number(content, at)
        elif kind == 3:
            globals_.setdefault(name, len(globals_))
            at += 2
        else:
            # A table has a type before its limits, a memory has none.
            at += kind == 1
            limits, at = _number(content, at)
            for _ in range(1 + (limits & 1)):
                _, at = _number(content, at)
    return functions, globals_


def _function_names(content: bytes, imported: int) -> dict[str, int]:
    """The functions that a custom section names, if it is the one that does; a name that is there twice is left out. A weak
    function is imported and defined under one name, which is that of its definition.
    """
    title, at = _name(content, 0)
    if title != "name":
        return {}
    names: dict[str, int] = {}
    twice = set()
    for kind, part in _sections(content, at):
        if kind != 1:
            continue
        count, at = _number(part, 0)
        for _ in range(count):
            index, at = _number(part, at)
            name, at = _name(part, at)
            before = names.get(name)
            if before is None or before < imported <= index:
                names[name] = index
            elif not index < imported <= before:
                twice.add(name)
    return {name: index for name, index in names.items() if name not in twice}


def _name(content: bytes, at: int) -> tuple[str, int]:
    size, at = _number(content, at)
    return content[at : at + size].decode(), at + size


def _number(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _unsigned(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _signed(value: int) -> bytes:
    encoded = bytearray()
    while not -0x40 <= value < 0x40:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value & 0x7F])
