# expect: succeeded result='0' memory=96MiB fuel=40e9 timeout=20s
# Looks for that pattern in all the linear memory there is, through a forged object, memory that was never written
# included. The regular expression does not hold the pattern itself, so that it cannot find itself.
import opcode
import os
import re
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
    planted = bytearray(b"PLANTED") * 2
    top = id(bytearray(1 << 20)) + (1 << 20)
    # 40 MB are allocated and given back: the read ends at once, so nobody wrote to them.
    assert os.read(os.open("/dev/null", os.O_RDONLY), 40 << 20) == b""
    memory = memoryview(fake_bytearray(1024, top + (30 << 20) - 1024))
    assert re.search(rb"PLANTE[D]PLANTE[D]", memory), "the search sees nothing"
    assert bytes(memory[-100:]) == bytes(100) and planted
    return len(re.findall(rb"PATTER[N]#PATTER[N]#", memory))
