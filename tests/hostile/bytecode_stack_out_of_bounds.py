# expect: crashed|failed|out_of_fuel|out_of_memory|succeeded fuel=2e9 memory=64MiB timeout=20s
# Loads and stores beyond the frame read and write the guest's own memory: anything may happen in there.
import opcode

loads = bytes([opcode.opmap["LOAD_FAST"], 255]) * 200
stores = bytes([opcode.opmap["STORE_FAST"], 254]) * 200


def run():
    return 1


run.__code__ = run.__code__.replace(co_code=bytes([opcode.opmap["RESUME"], 0]) + loads + stores)
