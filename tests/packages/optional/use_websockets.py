# /// script
# dependencies = ["websockets<11"]
# ///
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key, apply_mask

assert apply_mask(b"tea", b"\1\2\3\4") == bytes((ord("t") ^ 1, ord("e") ^ 2, ord("a") ^ 3))
assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
assert Frame(Opcode.TEXT, b"tea").serialize(mask=False) == b"\x81\x03tea"
