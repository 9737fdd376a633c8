# expect: crashed|out_of_fuel|out_of_memory|failed memory=64MiB fuel=2e9 timeout=20s
# The guest overwrites itself with noise: heap, types, tables of its own. What it does from then on is anybody's guess
# (noise that is read as a size asks for more memory than there is), but its outcome cannot be success with a made-up
# result, for the typed return needs a working interpreter.
import opcode
import random
import struct
import types


def fake_bytearray(start, size):
    """A bytearray over any address: a constant is loaded from beyond the tuple of constants, which nobody checks."""
    global body, pointer
    body = struct.pack("<7I", 1000, id(bytearray), size, size, start, start, 1)
    pointer = struct.pack("<I", id(body) + bytes.__basicsize__ - 1)
    code = fake_bytearray.__code__.replace(co_argcount=0, co_posonlyargcount=0, co_kwonlyargcount=0)
    first = id(code.co_consts) + tuple.__basicsize__
    index = (id(pointer) + bytes.__basicsize__ - 1 - first) // 4 % 2**30
    op = opcode.opmap
    ops = [(op["RESUME"], 0)] + [(op["EXTENDED_ARG"], index >> shift & 255) for shift in (24, 16, 8)]
    ops += [(op["LOAD_CONST"], index & 255), (op["RETURN_VALUE"], 0)]
    return types.FunctionType(code.replace(co_code=bytes(sum(ops, ()))), {})()


def run():
    noise = random.Random(1)
    memory = memoryview(fake_bytearray(65536, 20 << 20))
    while True:
        memory[noise.randrange(len(memory))] = noise.randrange(256)
