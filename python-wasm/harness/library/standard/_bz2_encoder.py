"""The compressing half of the bz2 module, with what both halves need to know of the format."""

from _thread import allocate_lock
from binascii import crc32
from collections import Counter
from heapq import heapify, heappop, heappush
from operator import index

BLOCK_MAGIC = 0x314159265359
END_MAGIC = 0x177245385090
GROUP = 50      # symbols coded with one table before a selector may change it

# The checksum of this format runs over bits in the other order than the usual CRC-32 does. Turning the bits of
# every byte round, running the usual one and turning its result round gives the same number at C speed.
TURNED = bytes(int(format(i, "08b")[::-1], 2) for i in range(256))
_SINGLE = [bytes((i,)) for i in range(256)]


def turn_crc(crc):
    """Return the checksum as the stream stores it, from the CRC-32 of the turned bytes."""
    return int.from_bytes(crc.to_bytes(4, "little").translate(TURNED), "big")


def same_as_before(data):
    """Return bytes that are zero wherever a byte of data equals the one before it (the first entry says nothing)."""
    number = int.from_bytes(data, "big")
    return (number ^ (number >> 8)).to_bytes(len(data), "big")


def _shorten_runs(data):
    """Do the first run-length step: four equal bytes are followed by a count of further ones."""
    same = same_as_before(data)
    parts = []
    pos = 0
    while True:
        at = same.find(b"\0\0\0", pos + 1)
        if at < 0:
            break
        zeros = same[at:at + 254]
        run = len(zeros) - len(zeros.lstrip(b"\0")) + 1
        parts.append(data[pos:at + 3])
        parts.append(_SINGLE[run - 4])
        pos = at - 1 + run
    parts.append(data[pos:])
    return b"".join(parts)


def _sort_rotations(block):
    """Return the starts of all rotations of block in sorted order."""
    size = len(block)
    depth = 20
    text = (block * (depth // size + 2))[:size + depth].decode("latin-1")
    buckets = [[] for _ in range(256)]
    adders = [bucket.append for bucket in buckets]
    for start, value in enumerate(block):
        adders[value](start)
    # A first sort looks at a few characters; byte by byte, so that few of the key strings live at once.
    order = []
    rank = [0] * size
    groups = []
    for bucket in buckets:
        if not bucket:
            continue
        place = begin = len(order)
        bucket.sort(key=lambda start: text[start:start + depth])
        order += bucket
        previous = text[bucket[0]:bucket[0] + depth]
        for start in bucket:
            key = text[start:start + depth]
            if key != previous:
                previous = key
                if place - begin > 1:
                    groups.append((begin, place))
                begin = place
            rank[start] = begin
            place += 1
        if place - begin > 1:
            groups.append((begin, place))
        bucket.clear()
    # What is still equal is told apart by the ranks of what follows; the compared length doubles with every round,
    # so even a block of one repeated word takes few rounds.
    while groups and depth < size:
        groups = _refine(order, rank, groups, depth - size)
        depth *= 2
    return order


def _refine(order, rank, groups, offset):
    """Sort every group of equal rotations by the rank that stands offset further; return the groups that remain."""
    remaining = []
    for begin, end in groups:
        if end - begin == 2:
            one = order[begin]
            two = order[begin + 1]
            # The offset is negative, and a negative index wraps round the block as the rotation does.
            if rank[one + offset] < rank[two + offset]:
                rank[two] = begin + 1
            elif rank[one + offset] > rank[two + offset]:
                order[begin] = two
                order[begin + 1] = one
                rank[one] = begin + 1
            else:
                remaining.append((begin, end))
            continue
        group = order[begin:end]
        keys = [rank[start + offset] for start in group]
        if keys.count(keys[0]) == len(keys):
            remaining.append((begin, end))
            continue
        group.sort(key=lambda start: rank[start + offset])
        keys.sort()
        order[begin:end] = group
        previous = keys[0]
        place = begin
        for start, key in zip(group, keys):
            if key != previous:
                previous = key
                if place - begin > 1:
                    remaining.append((begin, place))
                begin = place
            rank[start] = begin
            place += 1
        if place - begin > 1:
            remaining.append((begin, place))
    return remaining


def _to_symbols(column, used):
    """Turn the sorted block's last column into move-to-front symbols with counted repeats."""
    symbols = []
    add = symbols.append
    front = bytearray(used)
    find = front.index
    pop = front.pop
    insert = front.insert
    first = front[0]
    run = 0
    for value in column:
        if value == first:
            run += 1
            continue
        while run:
            run -= 1
            add(run & 1)
            run >>= 1
        place = find(value)
        pop(place)
        insert(0, value)
        first = value
        add(place + 1)
    while run:
        run -= 1
        add(run & 1)
        run >>= 1
    add(len(used) + 1)
    return symbols


def _code_lengths(counts, limit=17):
    """Return Huffman code lengths, none above limit, for symbols that occur counts times."""
    while True:
        heap = [(count, leaf) for leaf, count in enumerate(counts)]
        parents = [0] * (2 * len(counts) - 1)
        heapify(heap)
        node = len(counts)
        while len(heap) > 1:
            count_a, index_a = heappop(heap)
            count_b, index_b = heappop(heap)
            parents[index_a] = parents[index_b] = node
            heappush(heap, (count_a + count_b, node))
            node += 1
        depths = [0] * node
        for child in range(node - 2, -1, -1):
            depths[child] = depths[parents[child]] + 1
        lengths = depths[:len(counts)]
        if max(lengths) <= limit:
            return lengths
        # Flatter counts give a flatter tree.
        counts = [count // 2 + 1 for count in counts]


def _code_strings(lengths):
    """Return the canonical codes of the given lengths as strings of 0 and 1."""
    codes = [""] * len(lengths)
    code = 0
    for length in range(1, max(lengths) + 1):
        code <<= 1
        for symbol, its_length in enumerate(lengths):
            if its_length == length:
                codes[symbol] = format(code, "0%db" % length)
                code += 1
    return codes


def _choose_tables(symbols, alphabet):
    """Return the code lengths of two to six tables and, for every group of symbols, the table that suits it."""
    total = len(symbols)
    tables = 2 if total < 200 else 3 if total < 600 else 4 if total < 1200 else 5 if total < 2400 else 6
    counts = Counter(symbols)
    # At first every table is good at one stretch of the alphabet, each stretch as frequent as the others.
    costs = []
    seen = 0
    owner = [min(tables - 1, (seen := seen + counts[symbol]) * tables // (total + 1)) for symbol in range(alphabet)]
    for table in range(tables):
        costs.append([0 if owner[symbol] == table else 15 for symbol in range(alphabet)])
    groups = [symbols[at:at + GROUP] for at in range(0, total, GROUP)]
    for _ in range(4):
        # The costs of three tables share one number, so that one sum serves three.
        sums = []
        for base in range(0, tables, 3):
            packed = [sum(cost << 10 * i for i, cost in enumerate(row)) for row in zip(*costs[base:base + 3])]
            sums.append([sum(map(packed.__getitem__, group)) for group in groups])
        choice = []
        for row in zip(*sums):
            options = [value >> shift & 1023 for value in row for shift in (0, 10, 20)][:tables]
            choice.append(options.index(min(options)))
        members = [[] for _ in range(tables)]
        for group, table in zip(groups, choice):
            members[table] += group
        costs = []
        for member in members:
            own = Counter(member)
            costs.append(_code_lengths([own[symbol] or 0 for symbol in range(alphabet)]))
    return costs, choice, groups


def _encode_block(block, crc):
    """Return a whole compressed block as a string of 0 and 1."""
    order = _sort_rotations(block)
    shifted = block[-1:] + block[:-1]
    column = bytes(map(shifted.__getitem__, order))
    origin = order.index(0)
    del order
    present = set(block)
    used = sorted(present)
    symbols = _to_symbols(column, used)
    alphabet = len(used) + 2
    lengths, choice, groups = _choose_tables(symbols, alphabet)
    parts = [format(BLOCK_MAGIC, "048b"), format(crc, "032b"), "0", format(origin, "024b")]
    rows = ["".join("1" if row * 16 + low in present else "0" for low in range(16)) for row in range(16)]
    parts.append("".join("1" if "1" in row else "0" for row in rows))
    parts += [row for row in rows if "1" in row]
    parts += [format(len(lengths), "03b"), format(len(choice), "015b")]
    front = list(range(len(lengths)))
    for table in choice:
        place = front.index(table)
        parts.append("1" * place + "0")
        front.insert(0, front.pop(place))
    for row in lengths:
        current = row[0]
        parts.append(format(current, "05b"))
        for length in row:
            parts.append(("10" if length > current else "11") * abs(length - current) + "0")
            current = length
    finders = [_code_strings(row).__getitem__ for row in lengths]
    for table, group in zip(choice, groups):
        parts += map(finders[table], group)
    return "".join(parts)


class BZ2Compressor:
    """A compressor that takes its input in pieces of any size.

    compresslevel, from 1 to 9, is the size of the blocks in units of 100000 bytes.
    """

    def __new__(cls, compresslevel=9, /):
        self = super().__new__(cls)
        if not 1 <= index(compresslevel) <= 9:
            raise ValueError("compresslevel must be between 1 and 9")
        self._limit = 100000 * compresslevel - 19
        # Input is shortened in pieces, each of which goes into one block as a whole.
        self._step = 6000 if compresslevel < 3 else 16000
        self._raw = bytearray()
        self._block = []
        self._size = 0
        self._crc = 0
        self._combined = 0
        self._bits = "".join(format(byte, "08b") for byte in b"BZh%d" % compresslevel)
        self._flushed = False
        self._lock = allocate_lock()
        return self

    def __reduce__(self):
        raise TypeError("cannot pickle '_bz2.BZ2Compressor' object")

    def compress(self, data, /):
        """Take more input; return the output that is ready, often none."""
        view = memoryview(data).cast("B")
        step = self._step
        with self._lock:
            if self._flushed:
                raise ValueError("Compressor has been flushed")
            for at in range(0, len(view), step):
                self._raw += view[at:at + step]
                while len(self._raw) > step:
                    self._add(self._cut(step))
            return self._whole_bytes()

    def flush(self):
        """End the stream and return the rest of it; nothing can be added afterwards."""
        with self._lock:
            if self._flushed:
                raise ValueError("Repeated call to flush()")
            self._flushed = True
            if self._raw:
                self._add(bytes(self._raw))
                self._raw.clear()
            self._close_block()
            self._bits += format(END_MAGIC, "048b") + format(self._combined, "032b")
            self._bits += "0" * (-len(self._bits) % 8)
            return self._whole_bytes()

    def _cut(self, step):
        """Take a piece of the input that does not end within a run of equal bytes."""
        raw = self._raw
        end = step
        while end and raw[end - 1] == raw[step]:
            end -= 1
        if not end:
            # The piece is a single run: counts hold 255 bytes at most, and a full one may be followed by the next.
            end = step - step % 255
        piece = bytes(raw[:end])
        del raw[:end]
        return piece

    def _add(self, piece):
        short = _shorten_runs(piece)
        if self._size + len(short) > self._limit:
            self._close_block()
        self._block.append(short)
        self._size += len(short)
        self._crc = crc32(piece.translate(TURNED), self._crc)

    def _close_block(self):
        if not self._size:
            return
        crc = turn_crc(self._crc)
        block = b"".join(self._block)
        self._block = []
        self._size = self._crc = 0
        self._combined = ((self._combined << 1 | self._combined >> 31) & 0xFFFFFFFF) ^ crc
        self._bits += _encode_block(block, crc)

    def _whole_bytes(self):
        """Return the finished bytes of output and keep the bits that do not fill one."""
        count = len(self._bits) >> 3
        if not count:
            return b""
        out = int(self._bits[:count * 8], 2).to_bytes(count, "big")
        self._bits = self._bits[count * 8:]
        return out
