# expect: succeeded result='{"refused": 5}' memory=64MiB fuel=20e9 timeout=20s
# Encoders that grow what they are given, and decoders that are quadratic.
import base64
import codecs


def run():
    block = b"x" * 12_000_000
    attempts = [
        lambda: codecs.encode(block, "hex").decode("utf-32"),
        lambda: base64.a85encode(block),
        lambda: block.decode("latin-1").encode("utf-32"),
        lambda: repr(b"\xff" * 20_000_000),
        lambda: ("\U0001f600" * 8_000_000).encode("unicode_escape"),
    ]
    refused = 0
    for attempt in attempts:
        try:
            attempt()
        except (MemoryError, UnicodeDecodeError):
            refused += 1
    return {"refused": refused}
