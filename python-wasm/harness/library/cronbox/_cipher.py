"""Ciphers with one key, in pieces that the host takes."""

import hmac

from ._verb import call

PIECE = 2 << 20
"""Bytes of one call."""


def blocks(what, key, iv, data):
    """ECB or CBC over whole blocks; the last block of what was encrypted is the next piece's vector."""
    done = []
    for at in range(0, len(data), PIECE):
        piece = data[at : at + PIECE]
        made = call(what, (key, iv, piece), (0,))
        if iv:
            iv = (made if what.endswith("encrypt") else piece)[-16:]
        done.append(made)
    return b"".join(done)


class Counter:
    """A key stream of AES in counter mode, from a block on."""

    def __init__(self, key, block, bits=128):
        self.key = key
        self.what = "aes-ctr" if bits == 128 else "aes-ctr32"
        self.start = int.from_bytes(block)
        self.wrap = 1 << bits
        self.at = 0

    def apply(self, data):
        done = []
        for begin in range(0, len(data), PIECE):
            piece = data[begin : begin + PIECE]
            low = self.start % self.wrap
            block = self.start - low + (low + self.at // 16) % self.wrap
            done.append(call(self.what, (self.key, block.to_bytes(16), piece), (self.at % 16,)))
            self.at += len(piece)
        return b"".join(done)


def ghash(key, data):
    """GHASH over whole blocks. A sum of pieces is the sum of what came before, added to the first block of the next."""
    state = bytes(16)
    for at in range(0, len(data), PIECE):
        piece = data[at : at + PIECE]
        first = int.from_bytes(piece[:16]) ^ int.from_bytes(state)
        state = call("ghash", (key, b"", first.to_bytes(16) + piece[16:]), (0,))
    return state


def _whole(data):
    return data + bytes(-len(data) % 16)


class Gcm:
    """AES-GCM (NIST SP 800-38D), data in any number of pieces."""

    def __init__(self, key, nonce):
        if not nonce:
            raise ValueError("Nonce cannot be empty")
        self.hash_key = call("aes-ecb-encrypt", (key, b"", bytes(16)), (0,))
        if len(nonce) == 12:
            first = nonce + b"\0\0\0\1"
        else:
            first = ghash(self.hash_key, _whole(nonce) + (len(nonce) * 8).to_bytes(16))
        self.mask = call("aes-ecb-encrypt", (key, b"", first), (0,))
        counter = first[:12] + (int.from_bytes(first[12:]) + 1 & 0xFFFFFFFF).to_bytes(4)
        self.stream = Counter(key, counter, 32)

    def tag(self, associated, encrypted):
        lengths = (len(associated) * 8).to_bytes(8) + (len(encrypted) * 8).to_bytes(8)
        summed = ghash(self.hash_key, _whole(associated) + _whole(encrypted) + lengths)
        return (int.from_bytes(summed) ^ int.from_bytes(self.mask)).to_bytes(16)


class ChaChaPoly:
    """ChaCha20-Poly1305 (RFC 8439)."""

    def __init__(self, key, nonce):
        if len(key) != 32 or len(nonce) != 12:
            raise ValueError("ChaCha20-Poly1305 takes a key of 32 bytes and a nonce of 12")
        self.key, self.nonce = key, nonce
        self.sum_key = call("chacha20", (key, nonce, bytes(32)), (0,))

    def apply(self, data):
        done = []
        for at in range(0, len(data), PIECE):
            done.append(call("chacha20", (self.key, self.nonce, data[at : at + PIECE]), (1 + at // 64,)))
        return b"".join(done)

    def tag(self, associated, encrypted):
        lengths = len(associated).to_bytes(8, "little") + len(encrypted).to_bytes(8, "little")
        data = _whole(associated) + _whole(encrypted) + lengths
        if len(data) > PIECE:
            return _poly1305(self.sum_key, data)
        return call("poly1305", (self.sum_key, b"", data), (0,))


def _poly1305(key, data):
    """Poly1305 over whole blocks, of which there are more than one call takes (RFC 8439, 2.5)."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total, high, prime = 0, 1 << 128, (1 << 130) - 5
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at : at + 16], "little") + high) * r % prime
    return (total + int.from_bytes(key[16:], "little") & high - 1).to_bytes(16, "little")


def same(one, other):
    return hmac.compare_digest(one, other)
