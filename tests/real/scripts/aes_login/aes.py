# AES encryption in pure Python, found on the internet
Rcon = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36]


def _xtime(a):
    return ((a << 1) ^ 0x1b) & 0xff if a & 0x80 else a << 1


def _make_sbox():
    p = q = 1
    sbox = [0x63] * 256
    while True:
        p = p ^ _xtime(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xff
        if q & 0x80:
            q ^= 0x09
        x = q ^ q << 1 ^ q << 2 ^ q << 3 ^ q << 4
        sbox[p] = (x ^ x >> 8) & 0xff ^ 0x63
        if p == 1:
            return sbox


SBOX = _make_sbox()


def expand(key):
    w = [list(key[i:i + 4]) for i in range(0, len(key), 4)]
    n = len(w)
    for i in range(n, 4 * (n + 7)):
        t = w[i - 1]
        if i % n == 0:
            t = [SBOX[b] for b in t[1:] + t[:1]]
            t[0] ^= Rcon[i // n - 1]
        elif n > 6 and i % n == 4:
            t = [SBOX[b] for b in t]
        w.append([a ^ b for a, b in zip(w[i - n], t)])
    return [sum(w[i:i + 4], []) for i in range(0, len(w), 4)]


def encrypt_block(block, keys):
    s = [a ^ b for a, b in zip(block, keys[0])]
    for r in range(1, len(keys)):
        s = [SBOX[b] for b in s]
        s = [s[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if r < len(keys) - 1:
            out = []
            for c in range(0, 16, 4):
                col = s[c:c + 4]
                t = col[0] ^ col[1] ^ col[2] ^ col[3]
                out += [col[i] ^ t ^ _xtime(col[i] ^ col[(i + 1) % 4]) for i in range(4)]
            s = out
        s = [a ^ b for a, b in zip(s, keys[r])]
    return bytes(s)


class AESModeOfOperationCBC:
    def __init__(self, key, iv):
        self._keys = expand(key)
        self._last = iv

    def encrypt(self, block):
        self._last = encrypt_block(bytes(a ^ b for a, b in zip(block, self._last)), self._keys)
        return self._last
