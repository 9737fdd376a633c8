"""The encoding half of the lzma module: the LZMA encoder and the writers of bare LZMA and of LZMA2."""

from array import array
from collections import Counter
from math import log2
from sys import byteorder

from _lzma_base import AFTER_LITERAL, DOWN, FILTER_LZMA2, TOP, UP, Models


def _tree(bits, value, base=0):
    """Return the steps that code value in a tree of so many bits: each is twice a model's index plus the bit."""
    steps = []
    node = 1
    for shift in range(bits - 1, -1, -1):
        bit = value >> shift & 1
        steps.append(2 * (base + node) + bit)
        node += node + bit
    return tuple(steps)


def _reverse_tree(bits, value):
    """Return the steps for a tree which takes the lowest bit first."""
    return _tree(bits, int(format(value, "0%db" % bits)[::-1], 2)) if bits else ()


def _guessed(byte, match):
    """Return the steps of a literal byte where the byte match would have continued the last match."""
    steps = []
    node = 1
    offset = 256
    for shift in range(7, -1, -1):
        bit = byte >> shift & 1
        guess = (match >> shift & 1) << 8 & offset
        steps.append(2 * (offset + guess + node) + bit)
        node += node + bit
        if bool(guess) != bool(bit):
            offset = 0
    return tuple(steps)


def _length_steps(length, around):
    """Return the steps of a match length."""
    if length < 10:
        return (0,) + _tree(3, length - 2, 2 + 8 * around)
    if length < 18:
        return (1, 2) + _tree(3, length - 10, 130 + 8 * around)
    return (1, 3) + _tree(8, length - 18, 258)


_BYTES = [_tree(8, value) for value in range(256)]
_SLOTS = [_tree(6, value) for value in range(64)]
_ALIGN = [_reverse_tree(4, value) for value in range(16)]
_ZERO = [(2 * index,) for index in range(192)]
_ONE = [(2 * index + 1,) for index in range(192)]
# Steps which are worked out when they are needed first.
_guessed_steps = {}
_lengths_steps = {}

_HASH_BITS = 18
_REACH = 1 << 20        # farthest match looked for; what a stream says of its dictionary may be more
_LONGEST = 273          # the longest match the format has


def _scrambled(seed, top):
    """Return a table of 256 values up to top that look random."""
    out = bytearray()
    for _ in range(256):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(seed >> 16 & top)
    return bytes(out)


# Four bytes are hashed by adding a table's entry for each of them, which works for a whole stretch of input at once.
_HASHES = [[_scrambled(7 + 16 * part + 3 * byte, top) for byte in range(4)] for part, top in enumerate((255, 255, 3))]


class Encoder(Models):
    """An LZMA encoder with hash chains, which looks one byte ahead before it takes a match."""

    def __init__(self, options):
        """Take the options of a filter specifier."""
        self.reset(options["lc"], options["lp"], options["pb"])
        self.nice = max(5, min(options["nice_len"], _LONGEST))
        self.tries = range(options["depth"] or 24)
        self.reach = max(4096, min(options["dict_size"], _REACH))
        self.window = bytearray()
        self.before = array("i")   # for every position the last one before it with the same hash
        self.heads = [-1] * (1 << _HASH_BITS)
        self.at = 0
        self.begin_coding()

    def begin_coding(self):
        """Start the range coder."""
        self.low = 0
        self.width = 0xFFFFFFFF
        self.out = bytearray(1)

    def waiting(self):
        """Return how many bytes of the window are not coded yet."""
        return len(self.window) - self.at

    def trim(self, needed):
        """Forget input that no match can reach, but nothing from position needed on; return how much was cut."""
        cut = min(self.at - self.reach, needed) & ~15
        # The table of the chains' heads is gone through every time, so this must not happen often.
        if cut < max(self.reach, 1 << _HASH_BITS):
            return 0
        del self.window[:cut]
        self.before = array("i", [place - cut for place in self.before[cut:]])
        self.heads = [place - cut if place >= cut else -1 for place in self.heads]
        self.at -= cut
        return cut

    def choose(self, stop):
        """Return the literals and matches for the input up to position stop, and the position they reach."""
        self._index()
        return self._parse(stop)

    def code(self, packets, at):
        """Code the literals and matches that reach position at."""
        self._range_code(self._describe(packets))
        self.at = at

    def code_marker(self):
        """Code the mark of the stream's end."""
        self._range_code(self._describe([(2, 0xFFFFFFFF + 4)]))

    def finish_coding(self):
        """Stop the range coder and return what it has written."""
        for _ in range(4):
            self._carry()
            self.out.append(self.low >> 24 & 255)
            self.low = (self.low & 0xFFFFFF) << 8
        return self.out

    def _carry(self):
        if self.low > 0xFFFFFFFF:
            self.low &= 0xFFFFFFFF
            place = len(self.out) - 1
            while self.out[place] == 255:
                self.out[place] = 0
                place -= 1
            self.out[place] += 1

    def _index(self):
        """Link every new position to the last one with the same hash."""
        begin = len(self.before)
        count = len(self.window) - 3 - begin
        if count <= 0:
            return
        new = bytes(self.window[begin:])
        mixed = bytearray(4 * count)
        for part, tables in enumerate(_HASHES):
            number = 0
            for byte, table in enumerate(tables):
                number ^= int.from_bytes(new[byte:byte + count].translate(table), "little")
            mixed[part::4] = number.to_bytes(count, "little")
        hashes = array("I")
        if hashes.itemsize != 4:
            hashes = array("L")
        hashes.frombytes(mixed)
        if byteorder == "big":
            hashes.byteswap()
        heads = self.heads
        before = []
        add = before.append
        for place, key in enumerate(hashes, begin):
            add(heads[key])
            heads[key] = place
        self.before.extend(array("i", before))

    def _find(self, at, end):
        """Return the length and the distance less one of the longest match at a position, zeros if there is none."""
        most = end - at
        if most < 4:
            return 0, 0
        if most > _LONGEST:
            most = _LONGEST
        window = self.window
        before = self.before
        floor = at - self.reach
        if floor < 0:
            floor = 0
        place = before[at]
        if place < floor:
            return 0, 0
        number = int.from_bytes
        best = 3
        probe = window[at + 3]
        begin = None
        distance = 0
        for _ in self.tries:
            if place < floor:
                break
            if window[place + best] == probe:
                if begin is None:
                    begin = number(window[at:at + 16], "little")
                # The lowest bit in which the two differ tells how many bytes are equal.
                differ = number(window[place:place + 16], "little") ^ begin
                if differ:
                    length = ((differ & -differ).bit_length() - 1) >> 3
                else:
                    length = self._same(place, at, 16, most)
                if length > best:
                    best = length
                    distance = at - place - 1
                    if best >= self.nice or best >= most:
                        break
                    probe = window[at + best]
            place = before[place]
        if best < 4:
            return 0, 0
        return min(best, most), distance

    def _same(self, place, at, begin, most):
        """Return how many bytes, at most most, are equal at two positions whose first begin bytes are."""
        window = self.window
        number = int.from_bytes
        differ = number(window[place + begin:place + most], "little") ^ number(window[at + begin:at + most], "little")
        if differ:
            return begin + (((differ & -differ).bit_length() - 1) >> 3)
        return most

    def _repeat(self, at, end, reps):
        """Return the length and the number of the best of the four last distances at a position."""
        window = self.window
        first = window[at]
        second = window[at + 1]
        best = 0
        which = 0
        for number, distance in enumerate(reps):
            place = at - distance - 1
            if place >= 0 and window[place] == first and window[place + 1] == second:
                length = self._same(place, at, 2, min(_LONGEST, end - at))
                if length > best:
                    best = length
                    which = number
        return best, which

    def _parse(self, stop):
        """Choose literals and matches up to position stop; return them and the position reached.

        Each is (length, back): back is -1 for a literal, 0 to 3 for one of the last distances, else the distance
        less one, plus 4.
        """
        packets = []
        add = packets.append
        literal = (1, -1)
        end = len(self.window)
        at = self.at
        reps = list(self.reps)
        found = None
        while at < stop:
            if end - at < 2:
                add(literal)
                at += 1
                continue
            repeated, which = self._repeat(at, end, reps)
            length, distance = found or self._find(at, end)
            found = None
            if repeated > 1 and (repeated + 1 >= length or repeated + 2 >= length and distance > 511
                                 or repeated + 3 >= length and distance > 32767):
                add((repeated, which))
                reps.insert(0, reps.pop(which))
                at += repeated
                continue
            if not length:
                add(literal)
                at += 1
                continue
            if length < self.nice and at + 1 < stop:
                # A better match at the next byte, or a repeated one nearly as long, is worth a literal.
                found = self._find(at + 1, end)
                longer, farther = found
                if (longer > length + 1 or longer == length + 1 and farther >> 7 <= distance
                        or longer == length and farther < distance
                        or longer + 1 == length and longer > 3 and distance >> 7 > farther
                        or self._repeat(at + 1, end, reps)[0] + 1 >= max(length, 3)):
                    add(literal)
                    at += 1
                    continue
                found = None
            add((length, distance + 4))
            reps = [distance] + reps[:3]
            at += length
        return packets, at

    def _describe(self, packets):
        """Turn literals and matches into pairs of a list of models and the steps to code with it."""
        parts = []
        add = parts.append
        place = self.at
        state = self.state
        reps = self.reps
        around_mask = (1 << self.pb) - 1
        window = self.window
        for length, back in packets:
            around = place & around_mask
            index = state << 4 | around
            if back < 0:
                add((self.is_match, _ZERO[index]))
                last = window[place - 1] if place else 0
                models = self.literal[(place & ((1 << self.lp) - 1)) << self.lc | last >> (8 - self.lc)]
                byte = window[place]
                if state < 7:
                    add((models, _BYTES[byte]))
                else:
                    key = byte << 8 | window[place - reps[0] - 1]
                    steps = _guessed_steps.get(key)
                    if steps is None:
                        steps = _guessed_steps[key] = _guessed(byte, key & 255)
                    add((models, steps))
                state = AFTER_LITERAL[state]
                place += 1
                continue
            add((self.is_match, _ONE[index]))
            key = length << 4 | around
            steps = _lengths_steps.get(key)
            if steps is None:
                steps = _lengths_steps[key] = _length_steps(length, around)
            if back < 4:
                add((self.is_rep, _ONE[state]))
                if not back:
                    add((self.is_rep0, _ZERO[state]))
                    add((self.is_rep0_long, _ONE[index]))
                else:
                    add((self.is_rep0, _ONE[state]))
                    add((self.is_rep1, (_ZERO if back == 1 else _ONE)[state]))
                    if back > 1:
                        add((self.is_rep2, (_ZERO if back == 2 else _ONE)[state]))
                add((self.rep_length, steps))
                reps.insert(0, reps.pop(back))
                state = 8 if state < 7 else 11
            else:
                add((self.is_rep, _ZERO[state]))
                add((self.match_length, steps))
                self._describe_distance(add, back - 4, min(length - 2, 3))
                reps = [back - 4] + reps[:3]
                state = 7 if state < 7 else 10
            place += length
        self.state = state
        self.reps = reps
        return parts

    def _describe_distance(self, add, distance, group):
        if distance < 4:
            add((self.slots[group], _SLOTS[distance]))
            return
        bits = distance.bit_length() - 2
        slot = 2 * bits + 2 + (distance >> bits & 1)
        add((self.slots[group], _SLOTS[slot]))
        rest = distance & ((1 << bits) - 1)
        if slot < 14:
            add((self.special[slot], _reverse_tree(bits, rest)))
            return
        # The middle bits of a long distance are not modelled.
        add((None, tuple(rest >> shift & 1 for shift in range(bits - 1, 3, -1))))
        add((self.align, _ALIGN[rest & 15]))

    def _range_code(self, parts):
        """Code all steps."""
        low = self.low
        width = self.width
        out = self.out
        push = out.append
        up, down, top = UP, DOWN, TOP
        for models, steps in parts:
            if models is None:
                for bit in steps:
                    width >>= 1
                    if bit:
                        low += width
                    if width < top:
                        width <<= 8
                        if low > 0xFFFFFFFF:
                            self.low = low
                            self._carry()
                            low = self.low
                        push(low >> 24)
                        low = (low & 0xFFFFFF) << 8
                continue
            for step in steps:
                index = step >> 1
                p = models[index]
                bound = (width >> 11) * p
                if step & 1:
                    low += bound
                    width -= bound
                    models[index] = down[p]
                else:
                    width = bound
                    models[index] = up[p]
                if width < top:
                    width <<= 8
                    if low > 0xFFFFFFFF:
                        self.low = low
                        self._carry()
                        low = self.low
                    push(low >> 24)
                    low = (low & 0xFFFFFF) << 8
        self.low = low
        self.width = width


_SEGMENT = 1 << 14      # bytes for which literals and matches are chosen at a time
_AHEAD = 512            # bytes known beyond a segment, so that its coding does not depend on how the input came
_CHUNK = 41000          # a chunk is closed above this size; with a segment more it is still below the format's 65536


def _is_flat(data):
    """Return whether all byte values are about as frequent in data, so that coding each alone saves nothing."""
    size = len(data)
    return sum(count * log2(size / count) for count in Counter(data).values()) > 7.95 * size


class _Writer:
    """What both kinds of stream have in common."""

    def __init__(self, spec):
        self.encoder = Encoder(spec)

    def compress(self, data):
        """Take input; return the output that is ready."""
        encoder = self.encoder
        out = bytearray()
        for at in range(0, len(data), 4 * _SEGMENT):
            encoder.window += data[at:at + 4 * _SEGMENT]
            while encoder.waiting() >= _SEGMENT + _AHEAD:
                self._segment(encoder.at + _SEGMENT, out)
        return bytes(out)

    def flush(self):
        """Return the rest of the output."""
        encoder = self.encoder
        out = bytearray()
        while encoder.waiting():
            self._segment(min(encoder.at + _SEGMENT, len(encoder.window)), out)
        self._end(out)
        return bytes(out)


class _Lzma1Writer(_Writer):
    """Writes a bare LZMA stream with an end marker."""

    def _segment(self, stop, out):
        encoder = self.encoder
        encoder.code(*encoder.choose(stop))
        # A carry can still change the last byte that is not 255, and what follows it.
        ready = len(encoder.out.rstrip(b"\xff")) - 1
        out += encoder.out[:ready]
        del encoder.out[:ready]
        encoder.trim(encoder.at)

    def _end(self, out):
        self.encoder.code_marker()
        out += self.encoder.finish_coding()


class _Lzma2Writer(_Writer):
    """Writes LZMA2: chunks of LZMA, or of plain bytes where LZMA does not help."""

    def __init__(self, spec):
        super().__init__(spec)
        self.start = 0          # where the open chunk's data begin in the window
        self.control = 0xE0     # the next LZMA chunk resets everything, then as little as possible
        self.options = (spec["pb"] * 5 + spec["lp"]) * 9 + spec["lc"]
        self.plain_control = 1

    def _segment(self, stop, out):
        encoder = self.encoder
        packets, at = encoder.choose(stop)
        # Data without matches whose bytes are all about as frequent will not get smaller, so coding them is a waste.
        if len(packets) > (at - encoder.at) * 0.98 and _is_flat(encoder.window[encoder.at:at]):
            size = at - encoder.at
            if encoder.at > self.start:
                self._close(out)
            encoder.at += size
            self._store(out)
            self._open()
            return
        encoder.code(packets, at)
        if len(encoder.out) > _CHUNK or encoder.at - self.start > (1 << 21) - 2 * _SEGMENT:
            self._close(out)

    def _close(self, out):
        encoder = self.encoder
        size = encoder.at - self.start
        packed = encoder.finish_coding()
        if len(packed) < min(size, 65537):
            out.append(self.control | (size - 1) >> 16)
            out += (size - 1 & 65535).to_bytes(2, "big") + (len(packed) - 1).to_bytes(2, "big")
            if self.control >= 0xC0:
                out.append(self.options)
            out += packed
            self.control = 0x80
            self.plain_control = 2
        else:
            self._store(out)
        self._open()

    def _store(self, out):
        """Write the open chunk's data as they are."""
        encoder = self.encoder
        for at in range(self.start, encoder.at, 65536):
            piece = encoder.window[at:min(at + 65536, encoder.at)]
            out.append(self.plain_control)
            out += (len(piece) - 1).to_bytes(2, "big") + piece
            self.plain_control = 2
        # The models may have learnt from data that no reader will see as LZMA.
        encoder.reset(encoder.lc, encoder.lp, encoder.pb)
        self.control = 0xC0 if self.control >= 0xC0 else 0xA0

    def _open(self):
        """Begin a new chunk."""
        self.encoder.begin_coding()
        self.encoder.trim(self.encoder.at)
        self.start = self.encoder.at

    def _end(self, out):
        if self.encoder.at > self.start:
            self._close(out)
        out.append(0)


def new_writer(spec):
    """Return the writer for the last filter of a chain."""
    return (_Lzma2Writer if spec["id"] == FILTER_LZMA2 else _Lzma1Writer)(spec)
