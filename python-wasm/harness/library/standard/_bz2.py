"""bzip2 compression and decompression written in Python alone.

The module offers what the interpreter's C module of the same name offers, so that the standard library's bz2
layer works in a build which has no C library for it. Compression is in the module beside it.
"""

from array import array
from binascii import crc32
from itertools import islice

from _bz2_encoder import BLOCK_MAGIC, END_MAGIC, GROUP, TURNED, BZ2Compressor, same_as_before, turn_crc
from _codec_decompressor import Decompressor

__all__ = ["BZ2Compressor", "BZ2Decompressor"]

_MAX_SELECTORS = 18002  # as many as the largest block can use
_MAX_LEN = 20           # longest Huffman code a stream may hold
_FAST = 12              # bits looked up at once; longer codes are rare and take a slower way
_PIECE = 1 << 14        # bytes handed out by the decoder at a time

_SINGLE = [bytes((i,)) for i in range(256)]


def _walk(table, start, count):
    """Return the list start, table[start], table[table[start]], ... of count entries."""
    path = [start]
    # The list grows while map reads it, so the whole walk happens without a step of bytecode.
    path.extend(islice(map(table.__getitem__, path), count - 1))
    return path


def _walk_plainly(table, start, count):
    """Do what _walk does, for an interpreter whose lists do not show their growth at once."""
    path = [start]
    add = path.append
    for _ in range(count - 1):
        start = table[start]
        add(start)
    return path


if _walk([1, 2, 3, 0], 1, 4) != [1, 2, 3, 0]:
    _walk = _walk_plainly


def _expand_runs(data):
    """Undo the first run-length step; return the plain bytes and the tail that needs what follows it."""
    same = same_as_before(data)
    size = len(data)
    parts = []
    pos = 0
    while True:
        at = same.find(b"\0\0\0", pos + 1)
        if at < 0:
            break
        count_at = at + 3
        if count_at >= size:
            parts.append(data[pos:at - 1])
            return b"".join(parts), data[at - 1:]
        parts.append(data[pos:count_at])
        parts.append(data[at - 1:at] * data[count_at])
        pos = count_at + 1
    held = size
    # Up to three equal bytes at the end may be the beginning of a run.
    while held > pos and data[held - 1] == data[size - 1]:
        held -= 1
    parts.append(data[pos:held])
    return b"".join(parts), data[held:]


def _bad():
    return OSError("Invalid data stream")


def _decoding_table(lengths):
    """Return (lengths, symbols, width, mask, long codes) to decode a canonical code by looking its bits up."""
    longest = max(lengths)
    width = min(longest, _FAST)
    out_lengths = []
    out_symbols = []
    long_codes = {}
    code = 0
    for length in range(1, longest + 1):
        code <<= 1
        for symbol, its_length in enumerate(lengths):
            if its_length == length:
                if length <= width:
                    out_lengths += [length] * (1 << (width - length))
                    out_symbols += [symbol] * (1 << (width - length))
                elif code < 1 << length:
                    long_codes[1 << length | code] = symbol
                code += 1
    # Zero marks the bits that begin a long code, or no code at all. A damaged stream may tell of more codes than there
    # is room for; the ones too many can never be met.
    size = 1 << width
    rest = [0] * (size - len(out_lengths))
    return (out_lengths + rest)[:size], (out_symbols + rest)[:size], width, size - 1, long_codes


class BZ2Decompressor(Decompressor):
    """A decompressor that takes its input in pieces of any size.

    It decodes one stream; what follows the stream's end is left in unused_data.
    """

    _ERRORS = OSError
    _ENDED = "End of stream already reached"

    def __new__(cls):
        self = super().__new__(cls)
        self._input = b""
        self._at = 0
        self._bits = 0          # bits taken from the input; the lowest _left of them are still to be used
        self._left = 0
        self._begin(self._stream())
        return self

    def __reduce__(self):
        raise TypeError("cannot pickle '_bz2.BZ2Decompressor' object")

    def _accept(self, data):
        self._input = self._input[self._at:] + data if self._at < len(self._input) else data
        self._at = 0

    def _refuse(self):
        raise ValueError("a decompressor cannot be used after a previous error")

    def _rest(self):
        # The bit buffer may have run ahead of the end by some whole bytes.
        ahead = self._left >> 3
        rest = (self._bits & ((1 << 8 * ahead) - 1)).to_bytes(ahead, "big") + self._input[self._at:]
        self._input = b""
        self._at = 0
        return rest

    def _take(self, count):
        """Return the next count bits as a number; yields while there are too few."""
        while self._left < count:
            chunk = self._input[self._at:self._at + 6]
            if not chunk:
                yield None
                continue
            self._at += len(chunk)
            self._bits = (self._bits & ((1 << self._left) - 1)) << 8 * len(chunk) | int.from_bytes(chunk, "big")
            self._left += 8 * len(chunk)
        self._left -= count
        return self._bits >> self._left & ((1 << count) - 1)

    def _stream(self):
        """Decode the stream, yielding pieces of output, or None where more input is needed."""
        for expected in b"BZh":
            if (yield from self._take(8)) != expected:
                raise _bad()
        level = (yield from self._take(8)) - 48
        if not 1 <= level <= 9:
            raise _bad()
        combined = 0
        while True:
            magic = 0
            for shift in range(40, -1, -8):
                # Byte by byte, so that what is no bzip2 data is found out at once.
                magic = magic << 8 | (yield from self._take(8))
                if magic not in (BLOCK_MAGIC >> shift, END_MAGIC >> shift):
                    raise _bad()
            stored = yield from self._take(32)
            if magic == END_MAGIC:
                if stored != combined:
                    raise _bad()
                # The rest of the last byte is padding.
                self._left -= self._left & 7
                return
            combined = ((combined << 1 | combined >> 31) & 0xFFFFFFFF) ^ stored
            # A block of the long retired "randomised" kind is refused.
            if (yield from self._take(1)):
                raise _bad()
            origin = yield from self._take(24)
            if origin > 100000 * level + 10:
                raise _bad()
            buckets, size = yield from self._block(100000 * level)
            if origin >= size:
                raise _bad()
            yield from self._untransform(buckets, size, origin, stored)

    def _untransform(self, buckets, size, origin, stored):
        """Undo the sorting of a block and its runs, and yield the bytes it holds."""
        # The positions of all bytes, grouped by byte in rising order, lead from each byte to the next one; the byte
        # itself follows from the group.
        table = array("i")
        first = bytearray()
        for value, bucket in enumerate(buckets):
            if bucket:
                table += bucket
                first += _SINGLE[value] * len(bucket)
                buckets[value] = None
        byte_at = bytes(first).__getitem__
        crc = 0
        tail = b""
        while size:
            count = min(size, _PIECE)
            size -= count
            path = _walk(table, origin, count)
            origin = table[path[-1]]
            plain, tail = _expand_runs(tail + bytes(map(byte_at, path)))
            if not size:
                if len(tail) == 4:
                    raise _bad()
                plain += tail
            crc = crc32(plain.translate(TURNED), crc)
            if not size and turn_crc(crc) != stored:
                raise _bad()
            if plain:
                yield plain

    def _tables(self):
        """Read the head of a block: return the bytes in use, the selectors and the code lengths."""
        ranges = yield from self._take(16)
        used = []
        for high in range(16):
            if ranges >> (15 - high) & 1:
                row = yield from self._take(16)
                used += [high * 16 + low for low in range(16) if row >> (15 - low) & 1]
        count = yield from self._take(3)
        selector_count = yield from self._take(15)
        if not used or not 2 <= count <= 6 or not selector_count:
            raise _bad()
        order = list(range(count))
        selectors = []
        for _ in range(selector_count):
            place = 0
            while (yield from self._take(1)):
                place += 1
                if place >= count:
                    raise _bad()
            order.insert(0, order.pop(place))
            selectors.append(order[0])
        tables = []
        for _ in range(count):
            length = yield from self._take(5)
            lengths = []
            for _ in range(len(used) + 2):
                while True:
                    if not 1 <= length <= _MAX_LEN:
                        raise _bad()
                    if not (yield from self._take(1)):
                        break
                    length += -1 if (yield from self._take(1)) else 1
                lengths.append(length)
            tables.append(_decoding_table(lengths))
        # Some writers add selectors that no symbol uses.
        return used, selectors[:_MAX_SELECTORS], tables

    def _block(self, limit):
        """Decode the symbols of a block; return, for every byte value, where it stands, and the block's size."""
        used, selectors, tables = yield from self._tables()
        # Arrays, because a list of a million number objects is walked much slower where it outgrows the caches.
        buckets = [array("i") for _ in range(256)]
        # The move-to-front list holds the position lists themselves, which saves looking them up by value.
        front = [buckets[value] for value in used]
        last = len(used) + 1
        pop = front.pop
        insert = front.insert
        number = int.from_bytes
        data = self._input
        at = self._at
        bits = self._bits
        left = self._left
        fifty = range(GROUP)
        size = 0
        run = 0
        weight = 1
        for selector in selectors:
            lengths, symbols, width, mask, long_codes = tables[selector]
            for _ in fifty:
                while left < 20:
                    chunk = data[at:at + 6]
                    if not chunk:
                        if 0 < lengths[bits << 20 >> (left + 20 - width) & mask] <= left:
                            break
                        self._at = at
                        yield None
                        data = self._input
                        at = self._at
                        continue
                    at += 6
                    bits = (bits & 0xFFFFF) << 8 * len(chunk) | number(chunk, "big")
                    left += 8 * len(chunk)
                try:
                    look = bits >> (left - width) & mask
                except ValueError:
                    # Fewer bits are left than the table takes, but enough for the code they hold.
                    look = bits << (width - left) & mask
                length = lengths[look]
                if length:
                    left -= length
                    symbol = symbols[look]
                else:
                    for length in range(width + 1, _MAX_LEN + 1):
                        symbol = long_codes.get(bits >> (left - length) & ((1 << length) - 1) | 1 << length)
                        if symbol is not None:
                            break
                    else:
                        raise _bad()
                    left -= length
                if symbol > 1:
                    if run:
                        if size + run > limit:
                            raise _bad()
                        front[0].extend(range(size, size + run))
                        size += run
                        run = 0
                        weight = 1
                    if symbol == last:
                        self._at = min(at, len(data))
                        self._bits = bits
                        self._left = left
                        return buckets, size
                    bucket = pop(symbol - 1)
                    insert(0, bucket)
                    bucket.append(size)
                    size += 1
                else:
                    # Two symbols count the repeats of the byte in front, as digits worth 1 and 2.
                    run += weight << symbol
                    weight += weight
                    if run > limit:
                        raise _bad()
            if size > limit:
                raise _bad()
        raise _bad()
