"""AES in the modes ECB, CBC, CFB, OFB, CTR, EAX and GCM."""

from cronbox import _cipher
from cronbox._verb import call

from Crypto.Random import get_random_bytes
from Crypto.Util.strxor import strxor

MODE_ECB, MODE_CBC, MODE_CFB, MODE_OFB, MODE_CTR, MODE_OPENPGP, MODE_CCM = 1, 2, 3, 5, 6, 7, 8
MODE_EAX, MODE_SIV, MODE_GCM, MODE_OCB, MODE_KW, MODE_KWP = 9, 10, 11, 12, 13, 14
block_size = 16
key_size = (16, 24, 32)


def _bytes(value):
    if isinstance(value, str):
        raise TypeError(f"Object type {type(value)} cannot be passed to C code")
    return bytes(memoryview(value))


def _given(output, data):
    """The result, or where it was asked to be put."""
    if output is None:
        return data
    view = memoryview(output)
    if len(view) != len(data):
        raise ValueError(f"output must have the same length as the input ({len(data)} bytes)")
    view[:] = data
    return None


class _Mode:
    """What all modes share: a cipher either encrypts or decrypts."""

    block_size = 16

    def __init__(self, key):
        self._key = key
        self._does = None

    def _turn(self, does):
        if self._does not in (None, does):
            wanted, had = does + "()", self._does + "()"
            raise TypeError(f"{wanted} cannot be called after {had}")
        self._does = does


class _Blocks(_Mode):
    """ECB and CBC."""

    def __init__(self, key, name, iv=b""):
        super().__init__(key)
        self._name, self._iv = name, iv
        if iv:
            self.iv = self.IV = iv

    def _run(self, does, data, output):
        self._turn(does)
        data = _bytes(data)
        if len(data) % 16:
            mode = self._name.upper()
            raise ValueError(f"Data must be {'aligned' if mode == 'ECB' else 'padded'} to 16 byte boundary in {mode} mode")
        made = _cipher.blocks(f"aes-{self._name}-{does}", self._key, self._iv, data)
        if self._iv and data:
            self._iv = (made if does == "encrypt" else data)[-16:]
        return _given(output, made)

    def encrypt(self, plaintext, output=None):
        return self._run("encrypt", plaintext, output)

    def decrypt(self, ciphertext, output=None):
        return self._run("decrypt", ciphertext, output)


class _Stream(_Mode):
    """CTR, and what is made of it."""

    def __init__(self, key, counter):
        super().__init__(key)
        self._stream = counter

    def encrypt(self, plaintext, output=None):
        self._turn("encrypt")
        return _given(output, self._stream.apply(_bytes(plaintext)))

    def decrypt(self, ciphertext, output=None):
        self._turn("decrypt")
        return _given(output, self._stream.apply(_bytes(ciphertext)))


class _Feedback(_Mode):
    """CFB and OFB, a segment at a time."""

    def __init__(self, key, iv, segment, is_ofb):
        super().__init__(key)
        self.iv = self.IV = iv
        self._state, self._segment, self._is_ofb, self._left = iv, segment, is_ofb, b""

    def _block(self):
        return call("aes-ecb-encrypt", (self._key, b"", self._state), (0,))

    def _run(self, does, data):
        self._turn(does)
        data, done, size = _bytes(data), [], self._segment
        if self._is_ofb:
            while len(self._left) < len(data):
                self._state = self._block()
                self._left += self._state
            stream, self._left = self._left[: len(data)], self._left[len(data) :]
            return strxor(data, stream) if data else b""
        if len(data) % size:
            raise ValueError(f"plaintext must be a multiple of segment size ({size}*8 bits)")
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            made = strxor(piece, self._block()[:size])
            self._state = self._state[size:] + (made if does == "encrypt" else piece)
            done.append(made)
        return b"".join(done)

    def encrypt(self, plaintext, output=None):
        return _given(output, self._run("encrypt", plaintext))

    def decrypt(self, ciphertext, output=None):
        return _given(output, self._run("decrypt", ciphertext))


class _Authenticated(_Mode):
    """GCM and EAX."""

    def __init__(self, key, nonce, mac_len, least):
        super().__init__(key)
        if not least <= mac_len <= 16:
            raise ValueError(f"Parameter 'mac_len' must be in range {least}..16")
        self.nonce, self._mac_len = nonce, mac_len
        self._associated, self._encrypted, self._tag = [], [], None

    def update(self, assoc_data):
        if self._does is not None or self._tag is not None:
            raise TypeError("update() can only be called immediately after initialization or an update()")
        self._associated.append(_bytes(assoc_data))
        return self

    def encrypt(self, plaintext, output=None):
        if self._tag is not None:
            raise TypeError("encrypt() can only be called after initialization or an update()")
        self._turn("encrypt")
        made = self._apply(_bytes(plaintext))
        self._encrypted.append(made)
        return _given(output, made)

    def decrypt(self, ciphertext, output=None):
        if self._tag is not None:
            raise TypeError("decrypt() can only be called after initialization or an update()")
        self._turn("decrypt")
        data = _bytes(ciphertext)
        self._encrypted.append(data)
        return _given(output, self._apply(data))

    def _summed(self):
        if self._tag is None:
            self._tag = self._sum(b"".join(self._associated), b"".join(self._encrypted))[: self._mac_len]
        return self._tag

    def digest(self):
        if self._does == "decrypt":
            raise TypeError("digest() cannot be called when decrypting or validating a message")
        return self._summed()

    def hexdigest(self):
        return self.digest().hex()

    def verify(self, received_mac_tag):
        if self._does == "encrypt":
            raise TypeError("verify() cannot be called when encrypting a message")
        if not _cipher.same(self._summed(), _bytes(received_mac_tag)):
            raise ValueError("MAC check failed")

    def hexverify(self, hex_mac_tag):
        self.verify(bytes.fromhex(hex_mac_tag))

    def encrypt_and_digest(self, plaintext, output=None):
        return self.encrypt(plaintext, output), self.digest()

    def decrypt_and_verify(self, ciphertext, received_mac_tag, output=None):
        plaintext = self.decrypt(ciphertext, output)
        self.verify(received_mac_tag)
        return plaintext


class _Gcm(_Authenticated):
    def __init__(self, key, nonce, mac_len):
        super().__init__(key, nonce, mac_len, 4)
        gcm = _cipher.Gcm(key, nonce)
        self._apply, self._sum = gcm.stream.apply, gcm.tag


class _Eax(_Authenticated):
    def __init__(self, key, nonce, mac_len):
        super().__init__(key, nonce, mac_len, 2)
        if not nonce:
            raise ValueError("Nonce cannot be empty in EAX mode")
        self._start = _omac(key, 0, nonce)
        self._apply = _cipher.Counter(key, self._start).apply

    def _sum(self, associated, encrypted):
        return strxor(strxor(self._start, _omac(self._key, 1, associated)), _omac(self._key, 2, encrypted))


def _omac(key, kind, data):
    """CMAC (NIST SP 800-38B) of a block with a number, and of data."""

    def doubled(block):
        number = int.from_bytes(block) << 1
        return ((number & (1 << 128) - 1) ^ (0x87 if number >> 128 else 0)).to_bytes(16)

    first = doubled(call("aes-ecb-encrypt", (key, b"", bytes(16)), (0,)))
    data = kind.to_bytes(16) + data
    rest = len(data) % 16
    if rest:
        data, mask = data + b"\x80" + bytes(15 - rest), doubled(first)
    else:
        mask = first
    data = data[:-16] + strxor(data[-16:], mask)
    return _cipher.blocks("aes-cbc-encrypt", key, bytes(16), data)[-16:]


def _counter(nonce, initial, counter):
    """The first block of CTR, the nonce if there is one, and over how many bits it counts."""
    if counter is not None:
        if nonce is not None or initial is not None:
            raise TypeError("Invalid combination of parameters: 'counter' excludes 'nonce' and 'initial_value'")
        try:
            prefix, suffix, size, value = (counter[name] for name in ("prefix", "suffix", "counter_len", "initial_value"))
            little = counter.get("little_endian")
        except (KeyError, TypeError):
            raise TypeError("Incorrect counter object (use Crypto.Util.Counter.new)") from None
        if suffix or little or len(prefix) + size != 16:
            raise ValueError("Cronbox's CTR takes counters at the end of the block, in big-endian order")
        return prefix + value.to_bytes(size), prefix, size * 8
    if nonce is None:
        nonce = get_random_bytes(8)
    nonce = _bytes(nonce)
    if len(nonce) > 15:
        raise ValueError("Nonce is too long")
    size = 16 - len(nonce)
    if isinstance(initial, int) or initial is None:
        value = initial or 0
        if value >> size * 8:
            raise ValueError("Initial counter value is too large")
        block = nonce + value.to_bytes(size)
    else:
        initial = _bytes(initial)
        if len(initial) != size:
            raise ValueError(f"Incorrect length for counter byte string ({len(initial)} bytes, expected {size})")
        block = nonce + initial
    return block, nonce, size * 8


class _Ctr(_Stream):
    def __init__(self, key, block, nonce, bits):
        counter = _cipher.Counter(key, block)
        # What the counter may count to before it comes back to its first value.
        self._most = 16 << bits
        super().__init__(key, counter)
        self.nonce = nonce

    def _apply(self, data):
        if self._stream.at + len(data) > self._most:
            raise OverflowError("The counter has wrapped around in CTR mode")
        low, bits = self._stream.start % (self._most // 16), self._most // 16
        if (low + (self._stream.at + len(data)) // 16) >= bits > 0 and bits < 1 << 128:
            # The counter comes back to zero without touching the nonce: block by block.
            return self._wrapping(data, low, bits)
        return self._stream.apply(data)

    def _wrapping(self, data, low, bits):
        done, stream = [], self._stream
        high = stream.start - low
        while data:
            block = (high + (low + stream.at // 16) % bits).to_bytes(16)
            piece = data[: 16 - stream.at % 16]
            done.append(call("aes-ctr", (stream.key, block, piece), (stream.at % 16,)))
            stream.at += len(piece)
            data = data[len(piece) :]
        return b"".join(done)

    def encrypt(self, plaintext, output=None):
        self._turn("encrypt")
        return _given(output, self._apply(_bytes(plaintext)))

    def decrypt(self, ciphertext, output=None):
        self._turn("decrypt")
        return _given(output, self._apply(_bytes(ciphertext)))


def _vector(args, kwargs):
    iv = kwargs.pop("iv", None)
    iv = kwargs.pop("IV", iv)
    if args:
        iv = args[0]
    iv = get_random_bytes(16) if iv is None else _bytes(iv)
    if len(iv) != 16:
        raise ValueError(f"Incorrect IV length (it must be 16 bytes long)")
    return iv


def new(key, mode, *args, **kwargs):
    """A cipher: `AES.new(key, AES.MODE_CBC, iv=iv)`."""
    key = _bytes(key)
    if len(key) not in key_size:
        raise ValueError(f"Incorrect AES key length ({len(key)} bytes)")
    kwargs.pop("use_aesni", None)
    kwargs.pop("use_clmul", None)
    if mode == MODE_ECB:
        made = _Blocks(key, "ecb")
    elif mode == MODE_CBC:
        made = _Blocks(key, "cbc", _vector(args, kwargs))
    elif mode == MODE_CFB:
        segment, rest = divmod(kwargs.pop("segment_size", 8), 8)
        if segment == 0 or rest != 0:
            raise ValueError("'segment_size' must be positive and multiple of 8 bits")
        made = _Feedback(key, _vector(args, kwargs), segment, False)
    elif mode == MODE_OFB:
        made = _Feedback(key, _vector(args, kwargs), 16, True)
    elif mode == MODE_CTR:
        block, nonce, bits = _counter(
            kwargs.pop("nonce", None), kwargs.pop("initial_value", None), kwargs.pop("counter", None)
        )
        made = _Ctr(key, block, nonce, bits)
    elif mode in (MODE_GCM, MODE_EAX):
        nonce = args[0] if args else kwargs.pop("nonce", None)
        nonce = get_random_bytes(16) if nonce is None else _bytes(nonce)
        made = (_Gcm if mode == MODE_GCM else _Eax)(key, nonce, kwargs.pop("mac_len", 16))
    elif mode in (MODE_OPENPGP, MODE_CCM, MODE_SIV, MODE_OCB, MODE_KW, MODE_KWP):
        raise NotImplementedError("Cronbox's AES has the modes ECB, CBC, CFB, OFB, CTR, EAX and GCM")
    else:
        raise ValueError("Mode not supported")
    if kwargs:
        raise TypeError(f"Unknown parameters: {kwargs}")
    made.mode = mode
    return made
