"""Tests of the pure-Python codecs against the interpreter's own C modules.

Run with python3 test_codecs.py. The modules under test are loaded under other names, so that the C modules stay in
place and both can decode what the other has written.
"""

import importlib
import importlib.util
import io
import os
import random
import sys
import unittest

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python-wasm", "harness", "library", "standard")
HERE = os.path.abspath(HERE)
# Behind everything else: the C modules keep their names, and only the helper modules are found here.
sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != HERE] + [HERE]

import _bz2  # noqa: E402
import _lzma  # noqa: E402


def load(name):
    """Load one of the modules under test under another name."""
    spec = importlib.util.spec_from_file_location("pure" + name, os.path.join(HERE, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pure_bz2 = load("_bz2")
pure_lzma = load("_lzma")


def samples():
    """Return data of many kinds, none of it long."""
    rng = random.Random(5)
    words = [bytes(rng.choices(b"etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(400)]
    data = {
        "empty": b"", "one": b"x", "two": b"xx", "zeros": bytes(200000), "few zeros": bytes(5),
        "text": b" ".join(rng.choices(words, k=20000)),
        "random": rng.randbytes(70000),
        "nibbles": bytes(rng.choices(range(16), k=20000)),
        "period": b"abcab" * 9000,
        "all bytes": bytes(range(256)) * 30,
        "fibonacci": b"",
        "records": b"".join(i.to_bytes(4, "little") + b"\0\1\xff\xfe" for i in range(8000)),
        "high": b"\xff" * 3000 + b"\xfe" * 4 + b"\0" * 259,
    }
    one, two = b"a", b"ab"
    while len(two) < 40000:
        one, two = two, two + one
    data["fibonacci"] = two
    data["again"] = data["text"][:20000] * 3
    data["runs"] = b"".join(bytes((rng.randrange(4),)) * n for n in list(range(1, 20)) + [253, 254, 255, 256, 257, 259,
                                                                                       510, 514, 1000] * 3)
    return data


SAMPLES = samples()


def in_pieces(decompressor, data, step, max_length=-1):
    """Decode data given in pieces, with bounded output, as the layer above does."""
    out = []
    at = 0
    while not decompressor.eof:
        piece = b""
        if decompressor.needs_input:
            if at >= len(data):
                break
            piece = data[at:at + step]
            at += step
        got = decompressor.decompress(piece, max_length)
        assert max_length < 0 or len(got) <= max_length
        out.append(got)
    return b"".join(out), decompressor.unused_data + data[at:]


def compressed(compressor, data, step=None):
    """Compress data in pieces."""
    step = step or max(1, len(data))
    parts = [compressor.compress(data[at:at + step]) for at in range(0, len(data), step)]
    return b"".join(parts) + compressor.flush()


def outcome(make, data):
    """Return what decoding gives: output and what is left, or the kind of error."""
    decompressor = make()
    try:
        out = decompressor.decompress(data)
    except Exception as error:
        return type(error).__name__, str(error)
    return out, decompressor.eof, decompressor.unused_data


class Shared:
    """What holds for both formats; the subclasses say how objects are made."""

    def test_ours_reads_theirs(self):
        for name, data in SAMPLES.items():
            for packed in self.theirs(data):
                decompressor = self.ours_decoder()
                self.assertEqual(decompressor.decompress(packed + b"tail"), data, name)
                self.assertTrue(decompressor.eof)
                self.assertFalse(decompressor.needs_input)
                self.assertEqual(decompressor.unused_data, b"tail")
                self.assertRaises(EOFError, decompressor.decompress, b"")

    def test_theirs_reads_ours(self):
        for name, data in SAMPLES.items():
            for packed in self.ours(data):
                decompressor = self.their_decoder()
                self.assertEqual(decompressor.decompress(packed + b"tail"), data, name)
                self.assertTrue(decompressor.eof)
                self.assertEqual(decompressor.unused_data, b"tail")
                self.assertLess(len(packed), 400 + 1.02 * len(data), name)

    def test_every_split(self):
        data = SAMPLES["text"][:700] + bytes(900) + SAMPLES["random"][:60]
        for packed in self.theirs(data):
            for at in range(len(packed) + 1):
                decompressor = self.ours_decoder()
                out = decompressor.decompress(packed[:at])
                if at < len(packed):
                    self.assertFalse(decompressor.eof)
                    self.assertTrue(decompressor.needs_input)
                    out += decompressor.decompress(packed[at:])
                self.assertEqual(out, data)
                self.assertTrue(decompressor.eof)

    def test_small_steps(self):
        data = SAMPLES["text"][:20000] + SAMPLES["random"][:3000]
        for packed in self.theirs(data):
            for step, most in ((1, -1), (3, 50), (1000, 1), (100, 5000), (10 ** 6, 777)):
                self.assertEqual(in_pieces(self.ours_decoder(), packed + b"rest", step, most), (data, b"rest"))

    def test_no_output_wanted(self):
        packed = self.theirs(b"abc" * 100)[0]
        decompressor = self.ours_decoder()
        self.assertEqual(decompressor.decompress(packed, 0), b"")
        self.assertFalse(decompressor.needs_input)
        self.assertEqual(decompressor.decompress(b"", 7), b"abcabca")
        self.assertFalse(decompressor.eof)
        self.assertEqual(decompressor.decompress(b"more"), (b"abc" * 100)[7:])
        self.assertEqual(decompressor.unused_data, b"more")

    def test_output_does_not_depend_on_the_pieces(self):
        data = (SAMPLES["text"] + SAMPLES["zeros"][:70000] + SAMPLES["random"][:20000])[:190000]
        for make in self.our_encoders():
            whole = compressed(make(), data)
            for step in (9999, 100000):
                self.assertEqual(compressed(make(), data, step), whole)

    def test_truncated(self):
        data = SAMPLES["text"][:3000]
        for packed in self.theirs(data):
            for at in range(0, len(packed), 7):
                decompressor = self.ours_decoder()
                out = decompressor.decompress(packed[:at])
                self.assertEqual(out, data[:len(out)])
                self.assertFalse(decompressor.eof)
                self.assertTrue(decompressor.needs_input)

    def test_corrupt(self):
        rng = random.Random(6)
        data = SAMPLES["text"][:600] + bytes(40) + SAMPLES["random"][:20]
        for packed in self.theirs(data):
            for at in range(len(packed)):
                broken = bytearray(packed)
                broken[at] ^= 1 << rng.randrange(8)
                broken = bytes(broken)
                theirs = outcome(self.their_decoder, broken)
                ours = outcome(self.ours_decoder, broken)
                if theirs != ours:
                    self.compare_corrupt(theirs, ours, at)

    def compare_corrupt(self, theirs, ours, at):
        """Accept two outcomes that differ in what the caller cannot rely on."""
        if theirs[0] == "LZMAError":
            self.assertEqual(ours[0], "LZMAError", at)
        elif theirs[0] == "OSError":
            self.assertEqual(ours, theirs, at)
        else:
            # Neither has failed: both wait for more input, and may have come to different points.
            self.assertEqual((theirs[1:], ours[1:]), ((False, b""), (False, b"")), at)

    def test_garbage(self):
        for length in (1, 7, 13, 200):
            garbage = random.Random(length).randbytes(length)
            theirs = outcome(self.their_decoder, garbage)
            self.assertEqual(outcome(self.ours_decoder, garbage)[0], theirs[0])

    def test_error_stays(self):
        decompressor = self.ours_decoder()
        self.assertRaises(self.error, decompressor.decompress, b"\xff" * 40)
        # bz2 says ValueError from CPython 3.14 on, as ours does whichever CPython runs this.
        self.assertRaises((self.error, ValueError), decompressor.decompress, b"\xff" * 40)

    def test_arguments(self):
        for make in self.our_encoders():
            compressor = make()
            self.assertRaises(TypeError, compressor.compress, "text")
            self.assertRaises(TypeError, compressor.compress, [1])
            compressor.compress(bytearray(b"a"))
            compressor.compress(memoryview(b"bc"))
            compressor.flush()
            self.assertRaises(ValueError, compressor.compress, b"")
            self.assertRaises(ValueError, compressor.flush)
        self.assertRaises(TypeError, self.ours_decoder().decompress, "text")
        self.assertRaises(TypeError, self.ours_decoder().decompress, b"", "1")


class Bz2Test(Shared, unittest.TestCase):
    """The bzip2 module."""

    error = OSError
    ours_decoder = pure_bz2.BZ2Decompressor
    their_decoder = _bz2.BZ2Decompressor

    def theirs(self, data):
        return [compressed(_bz2.BZ2Compressor(level), data) for level in ((1, 9) if len(data) > 100000 else (9,))]

    def ours(self, data):
        return [compressed(pure_bz2.BZ2Compressor(level), data) for level in ((1, 9) if len(data) > 100000 else (9,))]

    def our_encoders(self):
        return [pure_bz2.BZ2Compressor, lambda: pure_bz2.BZ2Compressor(1)]

    def test_levels(self):
        for level in (0, 10, -1):
            self.assertRaises(ValueError, pure_bz2.BZ2Compressor, level)
        self.assertRaises(TypeError, pure_bz2.BZ2Compressor, "9")

    def test_as_small_as_theirs(self):
        for name in ("text", "random", "period", "records", "nibbles"):
            data = SAMPLES[name]
            self.assertLess(len(self.ours(data)[-1]), 40 + 1.02 * len(self.theirs(data)[-1]), name)

    def test_output_before_the_trailer(self):
        data = SAMPLES["text"][:5000]
        packed = self.theirs(data)[0]
        self.assertEqual(pure_bz2.BZ2Decompressor().decompress(packed[:-10]), data)


class LzmaTest(Shared, unittest.TestCase):
    """The lzma module."""

    error = pure_lzma.LZMAError
    ours_decoder = pure_lzma.LZMADecompressor
    their_decoder = _lzma.LZMADecompressor

    def kinds(self, module, data):
        return [compressed(module.LZMACompressor(_lzma.FORMAT_XZ, preset=1), data),
                compressed(module.LZMACompressor(_lzma.FORMAT_ALONE), data)]

    def theirs(self, data):
        return self.kinds(_lzma, data)

    def ours(self, data):
        return self.kinds(pure_lzma, data)

    def our_encoders(self):
        return [lambda: pure_lzma.LZMACompressor(preset=1),
                lambda: pure_lzma.LZMACompressor(_lzma.FORMAT_ALONE, preset=1)]

    def test_constants(self):
        for name in dir(_lzma):
            if name.isupper():
                self.assertEqual(getattr(pure_lzma, name), getattr(_lzma, name), name)
            elif not name.startswith("__"):
                self.assertTrue(hasattr(pure_lzma, name), name)
        self.assertLessEqual({name for name in dir(_lzma) if name[0] != "_"}, set(pure_lzma.__all__))
        for check in range(20):
            self.assertEqual(pure_lzma.is_check_supported(check), _lzma.is_check_supported(check))

    def test_checks(self):
        data = SAMPLES["text"][:40000] + b"odd"
        for check in (_lzma.CHECK_NONE, _lzma.CHECK_CRC32, _lzma.CHECK_CRC64, _lzma.CHECK_SHA256):
            theirs = pure_lzma.LZMADecompressor(_lzma.FORMAT_XZ)
            self.assertEqual(theirs.check, _lzma.CHECK_UNKNOWN)
            packed = compressed(_lzma.LZMACompressor(check=check), data)
            self.assertEqual(theirs.decompress(packed), data)
            self.assertEqual(theirs.check, check)
            ours = _lzma.LZMADecompressor(_lzma.FORMAT_XZ)
            self.assertEqual(ours.decompress(compressed(pure_lzma.LZMACompressor(check=check), data, 5000)), data)
            self.assertEqual(ours.check, check)
        for check in (3, 15, 16, 99):
            self.assertRaises(pure_lzma.LZMAError, pure_lzma.LZMACompressor, check=check)

    def test_checksum_lengths(self):
        for length in list(range(0, 90)) + [300, 1000, 16383, 16384, 16390, 40000]:
            data = SAMPLES["random"][:length]
            packed = compressed(_lzma.LZMACompressor(preset=0), data)
            self.assertEqual(pure_lzma.LZMADecompressor().decompress(packed), data)

    def test_filters(self):
        rng = random.Random(8)
        code = b"".join(rng.choice((b"\xe8", b"\xe9", b"\xe8\xe8", b"\x90\xe9", b"abc")) + rng.choice((
            rng.randbytes(4), rng.randbytes(3) + b"\0", rng.randbytes(3) + b"\xff", rng.randbytes(2) + b"\0\xff",
            b"\0\xff\0\0", b"\xff\0\xe8\0")) for _ in range(1500))
        lzma1, lzma2 = {"id": _lzma.FILTER_LZMA1, "preset": 0}, {"id": _lzma.FILTER_LZMA2, "preset": 0}
        chains = [[lzma1], [lzma2], [dict(lzma1, lc=0, lp=2, pb=0)], [dict(lzma2, lc=1, lp=3, pb=4, dict_size=4096)],
                  [{"id": _lzma.FILTER_DELTA}, lzma2], [{"id": _lzma.FILTER_DELTA, "dist": 256}, lzma1],
                  [{"id": _lzma.FILTER_X86}, lzma2], [{"id": _lzma.FILTER_X86, "start_offset": 4096}, lzma1],
                  [{"id": _lzma.FILTER_DELTA, "dist": 5}, {"id": _lzma.FILTER_X86}, lzma2]]
        for chain in chains:
            for data in (code, SAMPLES["records"][:9000], b"", b"abc", b"\xe8\0\0\0\0"):
                packed = compressed(_lzma.LZMACompressor(_lzma.FORMAT_RAW, filters=chain), data)
                decompressor = pure_lzma.LZMADecompressor(_lzma.FORMAT_RAW, filters=chain)
                self.assertEqual(in_pieces(decompressor, packed, 999, 700), (data, b""), chain)
                packed = compressed(pure_lzma.LZMACompressor(_lzma.FORMAT_RAW, filters=chain), data, 777)
                decompressor = _lzma.LZMADecompressor(_lzma.FORMAT_RAW, filters=chain)
                self.assertEqual(decompressor.decompress(packed), data, chain)
                if chain[-1] == lzma2:
                    packed = compressed(pure_lzma.LZMACompressor(filters=chain), data)
                    self.assertEqual(_lzma.LZMADecompressor().decompress(packed), data)
                    packed = compressed(_lzma.LZMACompressor(filters=chain), data)
                    self.assertEqual(pure_lzma.LZMADecompressor().decompress(packed), data)

    def test_unsupported_filters(self):
        for kind in (_lzma.FILTER_ARM, _lzma.FILTER_IA64, _lzma.FILTER_SPARC):
            chain = [{"id": kind}, {"id": _lzma.FILTER_LZMA2}]
            with self.assertRaisesRegex(pure_lzma.LZMAError, "Unsupported filter"):
                pure_lzma.LZMACompressor(filters=chain)
            packed = compressed(_lzma.LZMACompressor(filters=chain), b"abc")
            with self.assertRaisesRegex(pure_lzma.LZMAError, "Unsupported filter"):
                pure_lzma.LZMADecompressor().decompress(packed)

    def test_filter_properties(self):
        big = (1 << 32) - 1
        lzma1, lzma2, delta = _lzma.FILTER_LZMA1, _lzma.FILTER_LZMA2, _lzma.FILTER_DELTA
        for spec in ({"id": lzma2}, {"id": lzma2, "dict_size": 5000}, {"id": lzma2, "dict_size": 1},
                     {"id": lzma2, "dict_size": big}, {"id": lzma1, "preset": 9}, {"id": lzma1, "lc": 0, "lp": 4},
                     {"id": delta}, {"id": delta, "dist": 256}, {"id": 4}, {"id": 4, "start_offset": 7},
                     {"id": 9, "start_offset": 16}, {"id": 77}, {"id": lzma1, "lc": 4, "lp": 1}, {}, 5,
                     {"id": delta, "dist": 0}, {"id": lzma1, "foo": 1}, {"id": lzma1, "lc": -1}):
            self.assertEqual(self.result(pure_lzma._encode_filter_properties, spec),
                             self.result(_lzma._encode_filter_properties, spec), spec)
        for arguments in ((lzma2, b""), (lzma2, b"\x28"), (lzma2, b"\x29"), (delta, b"\7"), (delta, b""),
                          (4, b"\1\0\0\0"), (4, b"1"), (77, b""), (lzma1, b"\x5d\0\0\1\0"), (lzma1, b"\xff\0\0\1\0"),
                          (lzma1, b"")):
            self.assertEqual(self.result(pure_lzma._decode_filter_properties, *arguments),
                             self.result(_lzma._decode_filter_properties, *arguments), arguments)

    def result(self, function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:
            return type(error).__name__

    def test_negative_preset(self):
        # OverflowError before CPython 3.14.
        self.assertEqual(self.result(lambda: pure_lzma.LZMACompressor(preset=-1)), "ValueError")

    def test_bad_arguments(self):
        lzma2 = {"id": _lzma.FILTER_LZMA2}
        for options in ({"format": 7}, {"format": 0}, {"format": "x"}, {"check": "x"}, {"preset": 10},
                        {"preset": "x"}, {"filters": 5}, {"filters": []}, {"filters": [{}]}, {"filters": [{"id": 1}]},
                        {"filters": [{"id": 3}]}, {"filters": [dict(lzma2, lc=9)]}, {"filters": [dict(lzma2, lc=-1)]},
                        {"filters": [dict(lzma2, dict_size=100)]}, {"filters": [dict(lzma2, nice_len=1)]},
                        {"filters": [dict(lzma2, mf=77)]}, {"filters": [{"id": 3, "dist": 0}, lzma2]},
                        {"filters": [lzma2] * 5}, {"filters": [lzma2, lzma2]}, {"format": 2, "filters": [lzma2]},
                        {"format": 3}, {"format": 2, "check": 4}, {"preset": 1, "filters": [lzma2]}):
            self.assertIn(self.result(lambda: pure_lzma.LZMACompressor(**options)),
                          (self.result(lambda: _lzma.LZMACompressor(**options)),), options)
        for options in ({"format": 7}, {"format": "x"}, {"format": 3}, {"filters": [lzma2]}, {"memlimit": "x"},
                        {"format": 3, "memlimit": 5, "filters": [lzma2]}, {"memlimit": -1}):
            self.assertEqual(self.result(lambda: pure_lzma.LZMADecompressor(**options)),
                             self.result(lambda: _lzma.LZMADecompressor(**options)), options)

    def test_memory(self):
        for packed in self.theirs(b"abc"):
            with self.assertRaisesRegex(pure_lzma.LZMAError, "Memory usage limit exceeded"):
                pure_lzma.LZMADecompressor(memlimit=4096).decompress(packed)
            self.assertEqual(pure_lzma.LZMADecompressor(memlimit=1 << 24).decompress(packed), b"abc")
        # A header may claim the largest dictionary there is; only what is filled takes memory.
        packed = bytearray(self.theirs(SAMPLES["text"])[1])
        packed[1:5] = b"\xff\xff\xff\xff"
        self.assertEqual(pure_lzma.LZMADecompressor().decompress(bytes(packed)), SAMPLES["text"])

    def test_window_is_cut(self):
        data = (SAMPLES["text"] + SAMPLES["random"]) * 3 + SAMPLES["text"][::-1]
        for kind, container in ((_lzma.FILTER_LZMA1, _lzma.FORMAT_ALONE), (_lzma.FILTER_LZMA2, _lzma.FORMAT_XZ)):
            filters = [{"id": kind, "dict_size": 4096, "preset": 0}]
            packed = compressed(_lzma.LZMACompressor(container, filters=filters), data)
            self.assertEqual(pure_lzma.LZMADecompressor().decompress(packed), data)
            packed = compressed(pure_lzma.LZMACompressor(container, filters=filters), data)
            self.assertEqual(_lzma.LZMADecompressor().decompress(packed), data)

    def test_known_size(self):
        data = SAMPLES["text"][:5000]
        packed = self.theirs(data)[1]
        sized = packed[:5] + len(data).to_bytes(8, "little") + packed[13:]
        for make in (pure_lzma.LZMADecompressor, lambda: pure_lzma.LZMADecompressor(_lzma.FORMAT_ALONE)):
            self.assertEqual(in_pieces(make(), sized, 100), (data, b""))
            wrong = packed[:5] + (len(data) + 1).to_bytes(8, "little") + packed[13:]
            self.assertRaises(pure_lzma.LZMAError, make().decompress, wrong)
            wrong = packed[:5] + (len(data) - 1).to_bytes(8, "little") + packed[13:]
            self.assertRaises(pure_lzma.LZMAError, make().decompress, wrong)

    def test_as_small_as_theirs(self):
        for name in ("text", "period", "records", "nibbles"):
            data = SAMPLES[name]
            for ours, theirs in zip(self.ours(data), self.theirs(data)):
                self.assertLess(len(ours), 40 + 1.3 * len(theirs), name)


class FileTest(unittest.TestCase):
    """The standard library's layer on top of the modules."""

    @classmethod
    def setUpClass(cls):
        names = [name for name in sys.modules if name in ("bz2", "lzma", "_bz2", "_lzma", "compression.bz2",
                                                         "compression.lzma")]
        cls.saved = {name: sys.modules.pop(name) for name in names}
        sys.modules.update(_bz2=pure_bz2, _lzma=pure_lzma)
        cls.modules = [importlib.import_module("bz2"), importlib.import_module("lzma")]

    @classmethod
    def tearDownClass(cls):
        for name in ("bz2", "lzma", "_bz2", "_lzma", "compression.bz2", "compression.lzma"):
            sys.modules.pop(name, None)
        sys.modules.update(cls.saved)

    def test_modules_are_ours(self):
        self.assertIs(self.modules[0].BZ2Compressor, pure_bz2.BZ2Compressor)
        self.assertIs(self.modules[1].LZMACompressor, pure_lzma.LZMACompressor)

    def test_streams_one_after_another(self):
        parts = [SAMPLES["text"][:30000], b"", SAMPLES["zeros"], b"line\nother line\n"]
        for module in self.modules:
            file = io.BytesIO(b"".join(map(module.compress, parts)))
            with module.open(file) as stream:
                self.assertEqual(stream.read(), b"".join(parts))
                stream.seek(29990)
                self.assertEqual(stream.read(15), b"".join(parts)[29990:30005])
                stream.seek(-11, io.SEEK_END)
                self.assertEqual(stream.readlines(), [b"other line\n"])
            self.assertEqual(module.decompress(file.getvalue()), b"".join(parts))

    def test_written_files(self):
        for module in self.modules:
            file = io.BytesIO()
            for line in ("first\n", "second \u00fc\n"):
                with module.open(file, "at" if line[0] == "s" else "wt", encoding="utf-8") as stream:
                    stream.write(line)
            file.seek(0)
            with module.open(file, "rt", encoding="utf-8") as stream:
                self.assertEqual(list(stream), ["first\n", "second \u00fc\n"])

    def test_truncated_files(self):
        for module in self.modules:
            packed = module.compress(SAMPLES["text"][:5000])
            for end in (5, 40, len(packed) - 30, len(packed) - 1):
                with module.open(io.BytesIO(packed[:end])) as stream:
                    self.assertRaises(EOFError, stream.read)


if __name__ == "__main__":
    unittest.main()
