"""LZMA and .xz compression and decompression written in Python alone.

The module offers what the interpreter's C module of the same name offers, so that the standard library's lzma layer
works in a build which has no C library for it. The coding itself is in the modules beside it whose names begin alike.
"""

from _thread import allocate_lock
from binascii import crc32
from operator import index

from _lzma_base import (
    CHECK_CRC32, CHECK_CRC64, CHECK_ID_MAX, CHECK_NONE, CHECK_SHA256, CHECK_SIZES, CHECK_UNKNOWN, FILTER_ARM,
    FILTER_ARMTHUMB, FILTER_DELTA, FILTER_IA64, FILTER_LZMA1, FILTER_LZMA2, FILTER_POWERPC, FILTER_SPARC, FILTER_X86,
    FORMAT_ALONE, FORMAT_AUTO, FORMAT_RAW, FORMAT_XZ, MF_BT2, MF_BT3, MF_BT4, MF_HC3, MF_HC4, MODE_FAST, MODE_NORMAL,
    PRESET_DEFAULT, PRESET_EXTREME, XZ_MAGIC, LZMAError, check_encoding, corrupt, decode_filter_properties,
    encode_filter_properties, encode_number, full_chain, new_check, preparing, unsupported)
from _lzma_decoder import Source, lzma1_stream, raw_stream
from _lzma_encoder import new_writer
from _codec_decompressor import Decompressor

__all__ = [
    "CHECK_CRC32", "CHECK_CRC64", "CHECK_ID_MAX", "CHECK_NONE", "CHECK_SHA256", "CHECK_UNKNOWN", "FILTER_ARM",
    "FILTER_ARMTHUMB", "FILTER_DELTA", "FILTER_IA64", "FILTER_LZMA1", "FILTER_LZMA2", "FILTER_POWERPC",
    "FILTER_SPARC", "FILTER_X86", "FORMAT_ALONE", "FORMAT_AUTO", "FORMAT_RAW", "FORMAT_XZ", "LZMACompressor",
    "LZMADecompressor", "LZMAError", "MF_BT2", "MF_BT3", "MF_BT4", "MF_HC3", "MF_HC4", "MODE_FAST", "MODE_NORMAL",
    "PRESET_DEFAULT", "PRESET_EXTREME", "is_check_supported",
]

_encode_filter_properties = encode_filter_properties
_decode_filter_properties = decode_filter_properties


def is_check_supported(check_id):
    """Return whether streams with this check can be written and verified."""
    return check_id in (CHECK_NONE, CHECK_CRC32, CHECK_CRC64, CHECK_SHA256)


def _unknown_format():
    return LZMAError("Input format not supported by decoder")


def _check_memory(dict_size, memlimit):
    if memlimit is not None and dict_size + 65536 > memlimit:
        raise LZMAError("Memory usage limit exceeded")


def alone_stream(source, memlimit, strict):
    """Decode the old .lzma format; strict refuses headers which no known writer makes."""
    head = yield from source.take(1)
    if head[0] >= 225 or head[0] % 9 + head[0] // 9 % 5 > 4:
        raise _unknown_format()
    raw = yield from source.take(4)
    dict_size = int.from_bytes(raw, "little")
    if strict and dict_size != 0xFFFFFFFF:
        # A power of two, or one and a half of it.
        top = 1 << max(0, dict_size.bit_length() - 1)
        if dict_size not in (0, top, top + top // 2):
            raise _unknown_format()
    limit = int.from_bytes((yield from source.take(8)), "little")
    if limit == (1 << 64) - 1:
        limit = None
    elif strict and limit >= 1 << 38:
        raise _unknown_format()
    _check_memory(dict_size, memlimit)
    spec = {"dict_size": dict_size, "lc": head[0] % 9, "lp": head[0] // 9 % 5, "pb": head[0] // 45}
    yield from lzma1_stream(source, spec, limit, True)


def _block_header(source, size, memlimit):
    """Read the rest of a block's header; return the filter chain and the sizes it gives, None for an unknown one."""
    raw = bytes((size // 4 - 1,)) + (yield from source.take(size - 1))
    if crc32(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
        raise corrupt()
    flags = raw[1]
    if flags & 0x3C:
        raise unsupported()
    head = Source()
    head.data = raw[2:-4]
    try:
        sizes = []
        for bit in (0x40, 0x80):
            sizes.append(next(_Now(head.number()))[0] if flags & bit else None)
        if sizes[0] == 0:
            raise corrupt()
        chain = []
        for _ in range((flags & 3) + 1):
            kind = next(_Now(head.number()))[0]
            length = next(_Now(head.number()))[0]
            chain.append(decode_filter_properties(kind, next(_Now(head.take(length)))))
    except EOFError:
        raise corrupt() from None
    if any(head.data[head.at:]):
        raise unsupported()
    # The .xz format allows LZMA2 but not LZMA1.
    if chain[-1]["id"] != FILTER_LZMA2 or any(spec["id"] == FILTER_LZMA2 for spec in chain[:-1]):
        raise unsupported()
    _check_memory(chain[-1]["dict_size"], memlimit)
    return chain, sizes


class _Now:
    """Runs a generator that has all its input already, and gives what it returns."""

    def __init__(self, steps):
        self.steps = steps

    def __next__(self):
        try:
            next(self.steps)
        except StopIteration as stop:
            return stop.value
        raise EOFError


def xz_stream(source, memlimit, tell):
    """Decode one .xz stream; tell is called with the kind of check it uses."""
    magic = b""
    for expected in XZ_MAGIC:
        magic = yield from source.take(1)
        if magic[0] != expected:
            raise _unknown_format()
    raw = yield from source.take(6)
    flags = raw[:2]
    if crc32(flags) != int.from_bytes(raw[2:], "little"):
        raise corrupt()
    if flags[0] or flags[1] > 15:
        raise unsupported()
    check = flags[1]
    tell(check)
    # Of the sizes of all blocks only a checksum is kept, to compare the index with.
    count = 0
    records = 0
    while True:
        first = (yield from source.take(1))[0]
        if not first:
            break
        start = source.used() - 1
        chain, sizes = yield from _block_header(source, (first + 1) * 4, memlimit)
        begin = source.used()
        total = 0
        summing = new_check(check)
        for piece in raw_stream(source, chain):
            if piece is not None:
                total += len(piece)
                if summing is not None:
                    summing.update(piece)
                if sizes[1] is not None and total > sizes[1]:
                    raise corrupt()
            yield piece
        packed = source.used() - begin
        if sizes[0] not in (None, packed) or sizes[1] not in (None, total):
            raise corrupt()
        if any((yield from source.take(-packed % 4))):
            raise corrupt()
        stored = yield from source.take(CHECK_SIZES[check])
        if summing is not None and stored != summing.digest():
            raise corrupt()
        count += 1
        size = begin - start + packed + len(stored)
        records = crc32(encode_number(size) + encode_number(total), records)
    yield from _xz_end(source, flags, count, records)


def _xz_end(source, flags, count, records):
    """Check the index, which must tell of the blocks that were read, and the footer."""
    start = source.used() - 1
    number, raw = yield from source.number()
    if number != count:
        raise corrupt()
    crc = crc32(b"\0" + raw)
    found = 0
    for _ in range(2 * count):
        number, raw = yield from source.number()
        found = crc32(raw, found)
        crc = crc32(raw, crc)
    padding = yield from source.take((start - source.used()) % 4)
    stored = yield from source.take(4)
    if found != records or any(padding) or int.from_bytes(stored, "little") != crc32(padding, crc):
        raise corrupt()
    size = source.used() - start
    footer = yield from source.take(12)
    if footer[10:] != b"YZ":
        raise corrupt()
    if crc32(footer[4:10]) != int.from_bytes(footer[:4], "little"):
        raise corrupt()
    if (int.from_bytes(footer[4:8], "little") + 1) * 4 != size or footer[8:10] != flags:
        raise corrupt()


class LZMADecompressor(Decompressor):
    """A decompressor that takes its input in pieces of any size.

    format is the container format; FORMAT_AUTO tells .xz from .lzma by itself. memlimit bounds the memory a stream
    may ask for. filters, for FORMAT_RAW only, is the chain that was used for compressing.
    """

    _ERRORS = (LZMAError, MemoryError)
    _ENDED = "Already at end of stream"

    def __new__(cls, format=FORMAT_AUTO, memlimit=None, filters=None):
        self = super().__new__(cls)
        format = index(format)
        if memlimit is not None:
            if format == FORMAT_RAW:
                raise ValueError("Cannot specify memory limit with FORMAT_RAW")
            if not isinstance(memlimit, int):
                raise TypeError("an integer is required")
            if memlimit < 0:
                raise OverflowError("can't convert negative int to unsigned")
        if format == FORMAT_RAW and filters is None:
            raise ValueError("Must specify filters for FORMAT_RAW")
        if format != FORMAT_RAW and filters is not None:
            raise ValueError("Cannot specify filters except with FORMAT_RAW")
        self.check = CHECK_NONE if format in (FORMAT_ALONE, FORMAT_RAW) else CHECK_UNKNOWN
        self._source = Source()
        self._queue = []        # input that came while output was still waiting
        if format == FORMAT_AUTO:
            steps = self._auto(memlimit)
        elif format == FORMAT_XZ:
            steps = xz_stream(self._source, memlimit, self._tell)
        elif format == FORMAT_ALONE:
            steps = alone_stream(self._source, memlimit, False)
        elif format == FORMAT_RAW:
            chain = full_chain(filters)
            for spec in chain[:-1]:
                preparing(spec, False)
            steps = raw_stream(self._source, chain)
        else:
            raise ValueError("Invalid container format: %d" % format)
        self._begin(steps)
        return self

    def __reduce__(self):
        raise TypeError("cannot pickle '_lzma.LZMADecompressor' object")

    def _tell(self, check):
        self.check = check

    def _auto(self, memlimit):
        first = yield from self._source.take(1)
        self._source.at -= 1
        if first[0] == XZ_MAGIC[0]:
            yield from xz_stream(self._source, memlimit, self._tell)
        else:
            self.check = CHECK_NONE
            yield from alone_stream(self._source, memlimit, True)

    def _accept(self, data):
        self._queue.append(data)

    def _more(self):
        if not self._queue:
            return False
        self._source.more(b"".join(self._queue))
        self._queue.clear()
        return True

    def _rest(self):
        rest = self._source.data[self._source.at:] + b"".join(self._queue)
        self._source = None
        return rest


class LZMACompressor:
    """A compressor that takes its input in pieces of any size.

    format is the container format, check the integrity check of FORMAT_XZ (CRC64 if it is -1). The settings are
    given either as a preset from 0 to 9, possibly with PRESET_EXTREME, or as a chain of filters.
    """

    def __new__(cls, format=FORMAT_XZ, check=-1, preset=None, filters=None):
        self = super().__new__(cls)
        format, check = index(format), index(check)
        if preset is not None and filters is not None:
            raise ValueError("Cannot specify both preset and filter chain")
        if format != FORMAT_XZ and check not in (-1, CHECK_NONE):
            raise ValueError("Integrity checks are only supported by FORMAT_XZ")
        if format not in (FORMAT_XZ, FORMAT_ALONE, FORMAT_RAW):
            raise ValueError("Invalid container format: %d" % format)
        if format == FORMAT_RAW and filters is None:
            raise ValueError("Must specify filters for FORMAT_RAW")
        if filters is None:
            kind = FILTER_LZMA1 if format == FORMAT_ALONE else FILTER_LZMA2
            filters = [{"id": kind, "preset": PRESET_DEFAULT if preset is None else preset}]
        if format == FORMAT_ALONE and not (len(filters) == 1 and filters[0]["id"] == FILTER_LZMA1):
            raise ValueError("Invalid filter chain for FORMAT_ALONE - must be a single LZMA1 filter")
        self._chain = full_chain(filters)
        check_encoding(self._chain[-1])
        last = self._chain[-1]["id"]
        if format == FORMAT_XZ and last != FILTER_LZMA2:
            raise unsupported()
        self._check = CHECK_CRC64 if check == -1 else check
        if not is_check_supported(self._check):
            raise LZMAError("Unsupported integrity check")
        self._writer = new_writer(self._chain[-1])
        self._prepare = [preparing(spec, True) for spec in self._chain[:-1]]
        self._flushed = False
        self._xz = format == FORMAT_XZ
        self._sum = None
        self._size = self._packed = 0       # of the block's data before and after compression
        self._block_head = b""
        self._ready = b""
        if self._xz:
            flags = bytes((0, self._check))
            self._ready = XZ_MAGIC + flags + crc32(flags).to_bytes(4, "little")
            self._sum = new_check(self._check)
        elif format == FORMAT_ALONE:
            self._ready = encode_filter_properties(self._chain[-1]) + b"\xff" * 8
        self._lock = allocate_lock()
        return self

    def __reduce__(self):
        raise TypeError("cannot pickle '_lzma.LZMACompressor' object")

    def compress(self, data, /):
        """Take more input; return the output that is ready, often none."""
        if not isinstance(data, bytes):
            data = memoryview(data).tobytes()
        with self._lock:
            if self._flushed:
                raise ValueError("Compressor has been flushed")
            out, self._ready = self._ready, b""
            if not data:
                return out
            if self._xz:
                if not self._size:
                    self._block_head = self._head()
                    out += self._block_head
                if self._sum is not None:
                    self._sum.update(data)
            self._size += len(data)
            for one in self._prepare:
                data = one.convert(data)
            packed = self._writer.compress(data)
            self._packed += len(packed)
            return out + packed

    def flush(self):
        """End the stream and return the rest of it; nothing can be added afterwards."""
        with self._lock:
            if self._flushed:
                raise ValueError("Repeated call to flush()")
            self._flushed = True
            out = self._ready
            if not self._xz:
                return out + self._end_data()
            records = bytearray(1)
            if self._size:
                packed = self._end_data()
                self._packed += len(packed)
                digest = self._sum.digest() if self._sum is not None else b""
                out += packed + bytes(-self._packed % 4) + digest
                whole = len(self._block_head) + self._packed + len(digest)
                records += encode_number(1) + encode_number(whole) + encode_number(self._size)
            else:
                records += encode_number(0)
            records += bytes(-len(records) % 4)
            end = (len(records) // 4).to_bytes(4, "little") + bytes((0, self._check))
            return (out + records + crc32(records).to_bytes(4, "little")
                    + crc32(end).to_bytes(4, "little") + end + b"YZ")

    def _end_data(self):
        """Send what the filters hold back through the rest of the chain, and end the coding."""
        data = b""
        for one in self._prepare:
            data = (one.convert(data) if data else b"") + one.finish()
        return self._writer.compress(data) + self._writer.flush()

    def _head(self):
        """Return the header of the only block."""
        head = bytearray((0, len(self._chain) - 1))
        for spec in self._chain:
            props = encode_filter_properties(spec)
            head += encode_number(spec["id"]) + encode_number(len(props)) + props
        head += bytes(-len(head) % 4)
        head[0] = len(head) // 4
        return bytes(head) + crc32(head).to_bytes(4, "little")
