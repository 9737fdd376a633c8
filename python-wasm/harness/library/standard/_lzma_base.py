"""What the parts of the lzma module share: constants, checks, filters and the models of the coder."""

from binascii import crc32
from itertools import accumulate
from operator import sub

FORMAT_AUTO, FORMAT_XZ, FORMAT_ALONE, FORMAT_RAW = range(4)
CHECK_NONE, CHECK_CRC32, CHECK_CRC64, CHECK_SHA256 = 0, 1, 4, 10
CHECK_ID_MAX, CHECK_UNKNOWN = 15, 16
FILTER_LZMA1, FILTER_LZMA2, FILTER_DELTA, FILTER_X86 = 0x4000000000000001, 0x21, 3, 4
FILTER_POWERPC, FILTER_IA64, FILTER_ARM, FILTER_ARMTHUMB, FILTER_SPARC = 5, 6, 7, 8, 9
MF_HC3, MF_HC4, MF_BT2, MF_BT3, MF_BT4 = 3, 4, 18, 19, 20
MODE_FAST, MODE_NORMAL = 1, 2
PRESET_DEFAULT, PRESET_EXTREME = 6, 1 << 31

XZ_MAGIC = b"\xfd7zXZ\0"
CHECK_SIZES = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)
TOP = 1 << 24   # the range coder takes or gives a byte when its range falls below this
HALF = 1024     # probability of a bit nothing is known of, in units of 1/2048

# The next probability after a 0 bit and after a 1 bit.
UP = [p + ((2048 - p) >> 5) for p in range(2049)]
DOWN = [p - (p >> 5) for p in range(2049)]
# The next state after a literal.
AFTER_LITERAL = (0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5)


class LZMAError(Exception):
    """The data or the options are not ones this module can work with."""

    __module__ = "_lzma"    # the public home of the name


def corrupt():
    """Return the error for data that cannot be what a writer made."""
    return LZMAError("Corrupt input data")


def unsupported():
    """Return the error for options this module or the format does not have."""
    return LZMAError("Invalid or unsupported options")


def encode_number(value):
    """Return a number in the form number() reads."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Crc64:
    """The running CRC-64 of .xz files."""

    POLYNOMIAL = 0xC96C5795D7870F42
    table = None
    shifts = {}

    def __init__(self):
        self.state = (1 << 64) - 1
        if self.table is None:
            self._prepare()

    @classmethod
    def _prepare(cls):
        table = []
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ (cls.POLYNOMIAL if value & 1 else 0)
            table.append(value)
        cls.table = table
        # The remainders of x to the power of 256, 512 and so on, as the positions of their bits.
        value = cls.POLYNOMIAL
        for power in range(72, (1 << 16) + 8, 8):
            value = table[value & 255] ^ value >> 8
            if power >= 256 and not power & (power - 1):
                cls.shifts[power] = [bit + 1 for bit in range(64) if value >> bit & 1]

    def update(self, data):
        """Add data to the checksum."""
        table = self.table
        for at in range(0, len(data), 1 << 14):
            piece = data[at:at + (1 << 14)]
            bits = max(64, 8 * len(piece))
            number = int.from_bytes(piece, "little") ^ self.state
            if len(piece) < 8:
                state = self.state
                for byte in piece:
                    state = table[(state ^ byte) & 255] ^ state >> 8
                self.state = state
                return
            # A long number is reduced by multiplying its first part by the remainder of the power of x it stands at:
            # a few dozen shifts of large numbers instead of a table step for every byte.
            while bits > 640:
                power = 1 << ((bits >> 1).bit_length() - 1)
                cut = bits - power
                head = number & ((1 << cut) - 1)
                number = number >> cut << (cut + 64 - power)
                for shift in self.shifts[power]:
                    number ^= head << shift
                bits = cut + 64
            state = 0
            for byte in number.to_bytes(bits >> 3, "little"):
                state = table[state & 255 ^ byte] ^ state >> 8
            self.state = state

    def digest(self):
        """Return the checksum as the file stores it."""
        return (self.state ^ ((1 << 64) - 1)).to_bytes(8, "little")


class _Crc32:
    """The running CRC-32."""

    def __init__(self):
        self.state = 0

    def update(self, data):
        """Add data to the checksum."""
        self.state = crc32(data, self.state)

    def digest(self):
        """Return the checksum as the file stores it."""
        return self.state.to_bytes(4, "little")


def new_check(check):
    """Return an object that computes the check, or None if there is nothing to compute."""
    if check == CHECK_CRC32:
        return _Crc32()
    if check == CHECK_CRC64:
        return _Crc64()
    if check == CHECK_SHA256:
        from hashlib import sha256
        return sha256()
    return None


_PRESET_DICT_BITS = (18, 20, 21, 22, 22, 23, 23, 24, 25, 26)
_BCJ = (FILTER_X86, FILTER_POWERPC, FILTER_IA64, FILTER_ARM, FILTER_ARMTHUMB, FILTER_SPARC)
_LZMA_KEYS = {"id", "preset", "dict_size", "lc", "lp", "pb", "mode", "nice_len", "mf", "depth"}


def preset_options(preset):
    """Return the options a preset stands for."""
    if not isinstance(preset, int):
        raise TypeError("an integer is required")
    if preset < 0:
        raise ValueError("can't convert negative int to unsigned")
    if preset >= 1 << 32:
        raise OverflowError("can't convert the number to an unsigned one of 32 bits")
    level = preset & 31
    if level > 9 or preset & ~(31 | PRESET_EXTREME):
        raise LZMAError("Invalid compression preset: %d" % preset)
    depth = 4 + 4 * level
    if preset & PRESET_EXTREME:
        depth *= 2
    return {"dict_size": 1 << _PRESET_DICT_BITS[level], "lc": 3, "lp": 0, "pb": 2, "mode": MODE_FAST,
            "nice_len": 273 if preset & PRESET_EXTREME else 128 if level < 2 else 64 + 16 * level, "mf": MF_HC4,
            "depth": depth}


def full_filter(spec):
    """Return a complete copy of a filter specifier, or say what is wrong with it."""
    try:
        spec = {key: spec[key] for key in spec.keys()}
    except AttributeError:
        raise TypeError("Filter specifier must be a dict or dict-like object") from None
    if "id" not in spec:
        raise ValueError("Filter specifier must have an \"id\" entry")
    kind = spec["id"]
    if not isinstance(kind, int):
        raise TypeError("an integer is required")
    if kind in (FILTER_LZMA1, FILTER_LZMA2):
        if not spec.keys() <= _LZMA_KEYS:
            raise ValueError("Invalid filter specifier for LZMA filter")
        full = preset_options(spec.pop("preset", PRESET_DEFAULT))
    elif kind == FILTER_DELTA:
        if not spec.keys() <= {"id", "dist"}:
            raise ValueError("Invalid filter specifier for delta filter")
        full = {"dist": 1}
    elif kind in _BCJ:
        if not spec.keys() <= {"id", "start_offset"}:
            raise ValueError("Invalid filter specifier for BCJ filter")
        full = {"start_offset": 0}
    else:
        raise ValueError("Invalid filter ID: %d" % kind)
    full.update(spec)
    for value in full.values():
        if not isinstance(value, int):
            raise TypeError("an integer is required")
        if value < 0 or value is not full["id"] and value >= 1 << 32:
            raise ValueError("Invalid filter specifier")
    return full


def check_lzma(spec):
    """Refuse LZMA options that no stream may have."""
    if spec["lc"] + spec["lp"] > 4 or spec["pb"] > 4 or not 0 <= spec["dict_size"] < 1 << 32:
        raise unsupported()


def check_encoding(spec):
    """Refuse LZMA options that no encoder takes."""
    if not (4096 <= spec["dict_size"] <= 3 << 29 and 2 <= spec["nice_len"] <= 273
            and spec["mode"] in (MODE_FAST, MODE_NORMAL) and spec["mf"] in (MF_HC3, MF_HC4, MF_BT2, MF_BT3, MF_BT4)):
        raise unsupported()


def full_chain(filters):
    """Return the complete specifiers of a chain: the ones that prepare the data, then LZMA1 or LZMA2."""
    if isinstance(filters, dict) or not hasattr(filters, "__len__"):
        raise TypeError("%s is not a sequence" % type(filters).__name__)
    if len(filters) > 4:
        raise ValueError("Too many filters - liblzma supports a maximum of 4")
    chain = [full_filter(spec) for spec in filters]
    if not chain or chain[-1]["id"] not in (FILTER_LZMA1, FILTER_LZMA2):
        raise unsupported()
    check_lzma(chain[-1])
    for spec in chain[:-1]:
        if spec["id"] in (FILTER_LZMA1, FILTER_LZMA2):
            raise unsupported()
    return chain


def encode_filter_properties(filter, /):
    """Return the options of a filter specifier in the bytes that streams store them in."""
    spec = full_filter(filter)
    kind = spec["id"]
    if kind == FILTER_LZMA1:
        check_lzma(spec)
        return bytes(((spec["pb"] * 5 + spec["lp"]) * 9 + spec["lc"],)) + spec["dict_size"].to_bytes(4, "little")
    if kind == FILTER_LZMA2:
        check_lzma(spec)
        size = max(spec["dict_size"], 4096)
        return bytes((next(code for code in range(41) if dict_size_of(code) >= size),))
    if kind == FILTER_DELTA:
        if not 1 <= spec["dist"] <= 256:
            raise unsupported()
        return bytes((spec["dist"] - 1,))
    return spec["start_offset"].to_bytes(4, "little") if spec["start_offset"] else b""


def dict_size_of(code):
    """Return the dictionary size an LZMA2 property byte stands for."""
    if code > 40:
        raise unsupported()
    return (1 << 32) - 1 if code == 40 else (2 | code & 1) << (code // 2 + 11)


def decode_filter_properties(filter_id, encoded_props, /):
    """Return the filter specifier for the option bytes that a stream holds."""
    props = bytes(encoded_props)
    if filter_id == FILTER_LZMA1:
        if len(props) != 5 or props[0] >= 225:
            raise unsupported()
        spec = {"id": filter_id, "dict_size": int.from_bytes(props[1:], "little"), "lc": props[0] % 9,
                "lp": props[0] // 9 % 5, "pb": props[0] // 45}
        check_lzma(spec)
        return spec
    if filter_id == FILTER_LZMA2 and len(props) == 1:
        return {"id": filter_id, "dict_size": dict_size_of(props[0])}
    if filter_id == FILTER_DELTA and len(props) == 1:
        return {"id": filter_id, "dist": props[0] + 1}
    if filter_id in _BCJ and len(props) in (0, 4):
        return {"id": filter_id, "start_offset": int.from_bytes(props, "little")} if props else {"id": filter_id}
    raise unsupported()


class _Delta:
    """The filter that stores the differences between bytes a fixed distance apart."""

    def __init__(self, spec, encoding):
        self.dist = spec["dist"]
        if not 1 <= self.dist <= 256:
            raise unsupported()
        self.last = bytes(self.dist)
        self.convert = self._encode if encoding else self._decode

    def _encode(self, data):
        joined = self.last + data
        self.last = joined[len(data):]
        return bytes(map((255).__and__, map(sub, data, joined)))

    def _decode(self, data):
        dist = self.dist
        out = bytearray(len(data))
        # Bytes a distance apart form lanes; each lane is a running sum.
        for lane in range(min(dist, len(data))):
            sums = accumulate(data[lane::dist], initial=self.last[lane])
            next(sums)
            out[lane::dist] = bytes(map((255).__and__, sums))
        self.last = (self.last + out)[len(data):]
        return bytes(out)

    def finish(self):
        """Return what is still held back: nothing."""
        return b""


class _X86:
    """The filter that makes the targets of x86 calls and jumps absolute."""

    def __init__(self, spec, encoding):
        self.sign = 1 if encoding else -1
        self.place = spec.get("start_offset", 0)    # where the first byte of rest stands
        self.rest = b""
        self.last = self.place - 6                  # the last byte that looked like a call
        self.seen = 0                               # which of the bytes before did, and whether one was refused

    def convert(self, data):
        """Filter data; the last four bytes are held back."""
        data = self.rest + data
        marks = data.replace(b"\xe9", b"\xe8")
        out = bytearray(data)
        stop = len(data) - 4
        at = 0
        while True:
            found = marks.find(b"\xe8", at, max(stop, 0))
            if found < 0:
                break
            at = found
            place = self.place + at
            gap = place - self.last
            self.last = place
            # Every step moves the marks on; those of the two halves fall out after three of them.
            self.seen = (self.seen & 0x07) << gap & 0x0F | (self.seen & 0x70) << gap & 0xF0 if gap < 4 else 0
            if data[at + 4] not in (0, 255):
                self.seen |= 1
                at += 1
            elif self.seen >> 1 in (0, 1, 2, 4):
                out[at + 1:at + 5] = self._target(int.from_bytes(data[at + 1:at + 5], "little"), place + 5)
                self.seen = 0
                at += 5
            else:
                self.seen |= 0x11
                at += 1
        at = max(at, stop, 0)
        self.place += at
        self.rest = data[at:]
        return bytes(out[:at])

    def _target(self, value, after):
        """Return the other form of a jump's target."""
        while True:
            result = value + self.sign * after & 0xFFFFFFFF
            if not self.seen:
                break
            # A byte that might itself be a jump's must not look like one afterwards.
            shift = 24 - 8 * (0, 1, 2, 2, 3)[self.seen >> 1]
            if (result >> shift & 255) not in (0, 255):
                break
            value = result ^ ((1 << (shift + 8)) - 1)
        result &= 0x1FFFFFF
        return (result | 0xFE000000 if result >> 24 else result).to_bytes(4, "little")

    def finish(self):
        """Return what is held back, which stays as it is."""
        return self.rest


def preparing(spec, encoding):
    """Return the object that does the work of a filter in front of LZMA."""
    if spec["id"] == FILTER_DELTA:
        return _Delta(spec, encoding)
    if spec["id"] == FILTER_X86:
        return _X86(spec, encoding)
    raise LZMAError("Unsupported filter")


class Models:
    """The probabilities and the short memory that coder and decoder keep alike."""

    def reset(self, lc, lp, pb):
        """Begin anew with the given options."""
        self.lc, self.lp, self.pb = lc, lp, pb
        self.literal = [[HALF] * 0x300 for _ in range(1 << (lc + lp))]
        self.is_match = [HALF] * 192
        self.is_rep0_long = [HALF] * 192
        self.is_rep = [HALF] * 12
        self.is_rep0 = [HALF] * 12
        self.is_rep1 = [HALF] * 12
        self.is_rep2 = [HALF] * 12
        # Lengths: two choices, then 16 trees of 8, 16 trees of 8 and one tree of 256.
        self.match_length = [HALF] * 514
        self.rep_length = [HALF] * 514
        self.slots = [[HALF] * 64 for _ in range(4)]
        self.special = [[HALF] * (1 << max(0, (slot >> 1) - 1)) for slot in range(14)]
        self.align = [HALF] * 16
        self.state = 0
        self.reps = [0, 0, 0, 0]
