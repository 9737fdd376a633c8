"""Keys as numbers: read from and written as PEM and DER; what they sign, verify, encrypt and decrypt.

Formats: PKCS #1 and PKCS #8 (RFC 8017, 5958), SEC 1 (RFC 5915), SubjectPublicKeyInfo and certificates (RFC 5280), keys
encrypted with a password (RFC 8018) and as OpenSSL wrote them before.
"""

import functools
import hashlib
import math
import os

from . import _cipher, _der, _pad
from ._verb import call

RSA, EC, ED25519, ED448 = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1", "1.3.101.112", "1.3.101.113"
PSS, OAEP = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.7"
LARGEST_PRIVATE = 4096
LARGEST = 8192


class Curve:
    def __init__(self, host, name, oid, bits, order):
        self.host, self.name, self.oid, self.bits, self.order = host, name, oid, bits, order
        self.size = (bits + 7) // 8


CURVES = (
    Curve("p256", "secp256r1", "1.2.840.10045.3.1.7", 256, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    Curve("p384", "secp384r1", "1.3.132.0.34", 384, int("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF" "581A0DB248B0A77AECEC196ACCC52973", 16)),
    Curve("p521", "secp521r1", "1.3.132.0.35", 521, int("1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF" "FFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16)),
    Curve("k256", "secp256k1", "1.3.132.0.10", 256, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141),
)


def curve(name):
    for known in CURVES:
        if name in (known.name, known.oid):
            return known
    raise ValueError(f"the curve {name} is not there: {', '.join(known.name for known in CURVES)} are")


def _bytes(number):
    return number.to_bytes((number.bit_length() + 7) // 8)


class RsaPublic:
    is_private = False

    def __init__(self, n, e):
        if n < 3 or not n & 1 or e < 3 or not e & 1:
            raise ValueError("the RSA key is not valid: its modulus and its exponent are odd numbers from 3 on")
        if n.bit_length() > LARGEST or e.bit_length() > LARGEST:
            raise ValueError(f"the RSA key has {n.bit_length()} bits; at most {LARGEST} are taken")
        self.n, self.e = n, e
        self.bits = n.bit_length()
        self.size = (self.bits + 7) // 8

    def raw(self, block):
        """The public operation on a block as long as the key."""
        if int.from_bytes(block) >= self.n:
            raise ValueError("the value is greater than the key")
        return call("power", (block, _bytes(self.e), _bytes(self.n)))

    def encrypt_pkcs1(self, message):
        return self.raw(_pad.pkcs1_encrypted(message, self.size))

    def encrypt_oaep(self, message, name, mask_name, label):
        return self.raw(_pad.oaep_encrypted(message, self.size, name, mask_name, label))

    def _opened(self, signature):
        if len(signature) != self.size or int.from_bytes(signature) >= self.n:
            return None
        return self.raw(signature)

    def verify_pkcs1(self, name, digest, signature):
        opened = self._opened(signature)
        return opened is not None and _cipher.same(opened, _pad.pkcs1_signature(name, digest, self.size))

    def verify_pss(self, name, digest, signature, salt_size, mask_name):
        opened = self._opened(signature)
        return opened is not None and _pad.pss_holds(opened, name, digest, self.bits - 1, salt_size, mask_name)

    def public(self):
        return self

    def pkcs1(self):
        return _der.sequence(_der.integer(self.n), _der.integer(self.e))

    def spki(self):
        return _der.sequence(_der.sequence(_der.oid(RSA), _der.null()), _der.bits(self.pkcs1()))


class RsaPrivate:
    is_private = True

    def __init__(self, n, e, d, p=None, q=None):
        self._public = RsaPublic(n, e)
        if n.bit_length() > LARGEST_PRIVATE:
            raise ValueError(f"the RSA key has {n.bit_length()} bits; at most {LARGEST_PRIVATE} are taken of a private one")
        if p is None or q is None:
            p, q = primes_of(n, e, d)
        if p * q != n or p < 2 or q < 2 or (e * d - 1) % math.lcm(p - 1, q - 1):
            raise ValueError("the RSA key is not valid: its numbers do not fit together")
        self.n, self.e, self.d, self.p, self.q = n, e, d, p, q
        self.bits, self.size = self._public.bits, self._public.size

    def public(self):
        return self._public

    def raw(self, block):
        """The private operation on a block as long as the key."""
        if int.from_bytes(block) >= self.n:
            raise ValueError("the value is greater than the key")
        return call("rsa-private", [_bytes(x) for x in (self.n, self.e, self.d, self.p, self.q)] + [block])

    def sign_pkcs1(self, name, digest):
        return self.raw(_pad.pkcs1_signature(name, digest, self.size))

    def sign_pss(self, name, digest, salt_size, mask_name):
        block = _pad.pss_signature(name, digest, self.bits - 1, salt_size, mask_name)
        return self.raw(bytes(self.size - len(block)) + block)

    def _opened(self, encrypted):
        if len(encrypted) != self.size:
            raise ValueError(f"Ciphertext with incorrect length: it has {len(encrypted)} bytes, the RSA key {self.size}")
        return self.raw(encrypted)

    def decrypt_pkcs1(self, encrypted):
        return _pad.pkcs1_decrypted(self._opened(encrypted))

    def decrypt_oaep(self, encrypted, name, mask_name, label):
        return _pad.oaep_decrypted(self._opened(encrypted), name, mask_name, label)

    def pkcs1(self):
        p, q, d = self.p, self.q, self.d
        numbers = (0, self.n, self.e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
        return _der.sequence(*map(_der.integer, numbers))

    def pkcs8(self):
        return _der.sequence(_der.integer(0), _der.sequence(_der.oid(RSA), _der.null()), _der.octets(self.pkcs1()))


def primes_of(n, e, d):
    """The factors of a modulus whose private exponent is known."""
    even = d * e - 1
    if even <= 0 or even & 1:
        raise ValueError("the RSA key is not valid: its numbers do not fit together")
    odd = even
    while not odd & 1:
        odd >>= 1
    for base in range(2, 100):
        x = int.from_bytes(call("power", (_bytes(base), _bytes(odd), _bytes(n))))
        while x not in (1, n - 1):
            root, x = x, x * x % n
            if x == 1:
                p = math.gcd(root - 1, n)
                return max(p, n // p), min(p, n // p)
            if x == 0:
                break
    raise ValueError("the RSA key is not valid: its primes cannot be found")


@functools.cache
def _small():
    """Small primes, by which most numbers can be divided."""
    return [n for n in range(3, 2000, 2) if all(n % m for m in range(3, math.isqrt(n) + 1, 2))]


def _is_prime(number, rounds):
    if any(number % small == 0 for small in _small()):
        return False
    odd, twos = number - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    for _ in range(rounds):
        base = 2 + int.from_bytes(os.urandom(len(_bytes(number)))) % (number - 3)
        x = int.from_bytes(call("power", (_bytes(base), _bytes(odd), _bytes(number))))
        if x in (1, number - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True


def generate_rsa(bits, e=65537):
    """A new key (FIPS 186-5, A.1.3: probable primes, 44 rounds would be for the worst case; these are random)."""
    if not 1024 <= bits <= LARGEST_PRIVATE or bits % 2:
        raise ValueError(f"an RSA key has 1024 to {LARGEST_PRIVATE} bits")
    if e < 3 or not e & 1 or e.bit_length() > 32:
        raise ValueError("a public exponent is an odd number from 3 on, such as 65537")
    half = bits // 2

    def prime(other=None):
        while True:
            # The two highest bits: the product has all its bits.
            number = int.from_bytes(os.urandom(half // 8 + 1)) % (1 << half) | 3 << half - 2 | 1
            if math.gcd(number - 1, e) == 1 and _is_prime(number, 1) and _is_prime(number, 8):
                if other is None or abs(number - other) >> half - 100:
                    return number

    p = prime()
    q = prime(p)
    p, q = max(p, q), min(p, q)
    return RsaPrivate(p * q, e, pow(e, -1, math.lcm(p - 1, q - 1)), p, q)


class EcPublic:
    is_private = False

    def __init__(self, of, point):
        self.curve = of
        self.point = call(f"{of.host}-point", (point,))

    @property
    def x(self):
        return int.from_bytes(self.point[1 : 1 + self.curve.size])

    @property
    def y(self):
        return int.from_bytes(self.point[1 + self.curve.size :])

    def verify(self, digest, r, s):
        size = self.curve.size
        if not (0 < r < self.curve.order and 0 < s < self.curve.order):
            return False
        signature = r.to_bytes(size) + s.to_bytes(size)
        return call(f"{self.curve.host}-verify", (self.point, _digest(digest, self.curve), signature)) == b"\1"

    def public(self):
        return self

    def spki(self):
        return _der.sequence(_der.sequence(_der.oid(EC), _der.oid(self.curve.oid)), _der.bits(self.point))


class EcPrivate:
    is_private = True

    def __init__(self, of, secret):
        if not 0 < secret < of.order:
            raise ValueError("the private number is not one of this curve")
        self.curve, self.secret = of, secret
        self._public = EcPublic(of, call(f"{of.host}-public", (secret.to_bytes(of.size),)))

    def public(self):
        return self._public

    def sign(self, digest):
        """The two numbers of a signature (deterministic, RFC 6979)."""
        of = self.curve
        made = call(f"{of.host}-sign", (self.secret.to_bytes(of.size), _digest(digest, of)))
        return int.from_bytes(made[: of.size]), int.from_bytes(made[of.size :])

    def sec1(self, named=True):
        parts = [_der.integer(1), _der.octets(self.secret.to_bytes(self.curve.size))]
        if named:
            parts.append(_der.value(0xA0, _der.oid(self.curve.oid)))
        parts.append(_der.value(0xA1, _der.bits(self._public.point)))
        return _der.sequence(*parts)

    def pkcs8(self):
        kind = _der.sequence(_der.oid(EC), _der.oid(self.curve.oid))
        return _der.sequence(_der.integer(0), kind, _der.octets(self.sec1(False)))


def _digest(digest, of):
    """As long as the curve wants it at least: a shorter one is the same number with zeros before it."""
    return digest if len(digest) >= of.size else bytes(of.size - len(digest)) + digest


def generate_ec(of):
    return EcPrivate(of, 1 + int.from_bytes(os.urandom(of.size + 8)) % (of.order - 1))


class EdPublic:
    is_private = False

    def __init__(self, raw):
        self.raw = call("ed25519-point", (raw,))

    def verify(self, message, signature):
        return call("ed25519-verify", (self.raw, message, signature)) == b"\1"

    def public(self):
        return self

    def spki(self):
        return _der.sequence(_der.sequence(_der.oid(ED25519)), _der.bits(self.raw))


class EdPrivate:
    is_private = True

    def __init__(self, raw):
        if len(raw) != 32:
            raise ValueError("An Ed25519 private key is 32 bytes long")
        self.raw = raw
        self._public = EdPublic(call("ed25519-public", (raw,)))

    def public(self):
        return self._public

    def sign(self, message):
        return call("ed25519-sign", (self.raw, message))

    def pkcs8(self):
        return _der.sequence(_der.integer(0), _der.sequence(_der.oid(ED25519)), _der.octets(_der.octets(self.raw)))


def signature_to_der(r, s):
    return _der.sequence(_der.integer(r), _der.integer(s))


def signature_from_der(signature):
    reader = _der.Reader(signature)
    numbers = reader.sequence()
    r, s = numbers.integer(), numbers.integer()
    if reader.more() or numbers.more():
        raise ValueError("the signature has more than two numbers")
    return r, s


# Reading


def _rsa_private(reader):
    numbers = reader.sequence()
    if numbers.integer() != 0:
        raise ValueError("RSA keys of more than two primes are not taken")
    n, e, d, p, q = (numbers.integer() for _ in range(5))
    return RsaPrivate(n, e, d, p, q)


def _rsa_public(reader):
    numbers = reader.sequence()
    return RsaPublic(numbers.integer(), numbers.integer())


def _ec_private(reader, of=None):
    content = reader.sequence()
    if content.integer() != 1:
        raise ValueError("the key is not of the version 1")
    secret = int.from_bytes(content.octets())
    while content.more():
        tag, inner, _ = content.any()
        if tag == 0xA0:
            of = curve(_der.Reader(inner).oid())
    if of is None:
        raise ValueError("the key does not name its curve")
    return EcPrivate(of, secret)


def _pkcs8(reader):
    content = reader.sequence()
    content.integer()
    kind = content.sequence()
    name = kind.oid()
    key = _der.Reader(content.octets())
    if name in (RSA, PSS):
        return _rsa_private(key)
    if name == EC:
        return _ec_private(key, curve(kind.oid()))
    if name == ED25519:
        return EdPrivate(key.octets())
    raise ValueError(f"keys of the algorithm {name} are not taken: RSA, ECDSA and Ed25519 are")


def _spki(reader):
    content = reader.sequence()
    kind = content.sequence()
    name = kind.oid()
    key = content.bits()
    if name in (RSA, PSS):
        return _rsa_public(_der.Reader(key))
    if name == EC:
        return EcPublic(curve(kind.oid()), key)
    if name == ED25519:
        return EdPublic(key)
    raise ValueError(f"keys of the algorithm {name} are not taken: RSA, ECDSA and Ed25519 are")


class Certificate:
    """What a certificate says (RFC 5280); whether it is true is not looked at."""

    def __init__(self, data):
        self.data = bytes(data)
        outer = _der.Reader(data).sequence()
        _, _, self.signed = outer.any()
        self.signature_algorithm = outer.sequence().oid()
        self.signature = outer.bits()
        content = _der.Reader(self.signed).sequence()
        self.version = 0
        if content.peek() == 0xA0:
            self.version = _der.Reader(content.any()[1]).integer()
        self.serial = content.integer()
        content.sequence()
        self.issuer = content.any()[2]
        times = content.sequence()
        self.times = [times.any()[:2] for _ in range(2)]
        self.subject = content.any()[2]
        self.spki = content.any()[2]

    def key(self):
        return _spki(_der.Reader(self.spki))


_PRFS = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
_AES_CBC = {"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32}


def _unpadded(data):
    count = data[-1] if data else 0
    if not 1 <= count <= 16 or data[-count:] != bytes((count,)) * count:
        raise PasswordWrong("the password is wrong, or the key is damaged")
    return data[:-count]


def _decrypted(reader, password):
    """PKCS #8 under a password (PBES2)."""
    content = reader.sequence()
    kind = content.sequence()
    if kind.oid() != "1.2.840.113549.1.5.13":
        raise ValueError("the key is encrypted in an old way: write it anew with openssl pkcs8 -topk8 -v2 aes-256-cbc")
    scheme = kind.sequence()
    derive, cipher = scheme.sequence(), scheme.sequence()
    by, how = derive.oid(), derive.sequence()
    cipher_name = cipher.oid()
    if cipher_name not in _AES_CBC:
        raise ValueError("the key is encrypted by another cipher than AES in CBC mode, which is not taken")
    size, iv = _AES_CBC[cipher_name], cipher.octets()
    salt = how.octets()
    if by == "1.2.840.113549.1.5.12":
        rounds, prf = how.integer(), "sha1"
        while how.more():
            if how.peek() == _der.INTEGER:
                how.integer()
            else:
                name = how.sequence().oid()
                prf = _PRFS.get(name) or f"of the algorithm {name}"
        key = hashlib.pbkdf2_hmac(prf, password, salt, rounds, size)
    elif by == "1.3.6.1.4.1.11591.4.11":
        n, r, p = (how.integer() for _ in range(3))
        key = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=1 << 28, dklen=size)
    else:
        raise ValueError("the key is encrypted in a way that is not taken: PBKDF2 and scrypt are")
    return _unpadded(_cipher.blocks("aes-cbc-decrypt", key, iv, content.octets()))


def _decrypted_openssl(info, data, password):
    """As OpenSSL's PEM did it: the key is made of MD5 sums."""
    name, _, vector = info.partition(",")
    sizes = {"AES-128-CBC": 16, "AES-192-CBC": 24, "AES-256-CBC": 32}
    if name not in sizes:
        raise ValueError(f"the key is encrypted by {name}, which is not taken: AES in CBC mode is")
    iv, key, last = bytes.fromhex(vector), b"", b""
    while len(key) < sizes[name]:
        last = hashlib.md5(last + password + iv[:8]).digest()
        key += last
    return _unpadded(_cipher.blocks("aes-cbc-decrypt", key[: sizes[name]], iv, data))


class PasswordMissing(TypeError):
    """The key is encrypted and no password was given."""


class PasswordWrong(ValueError):
    """The key cannot be decrypted with the password."""


def _of_der(data, password):
    """A key in any of the forms of DER."""
    forms = (_pkcs8, _rsa_private, _ec_private, _spki, _rsa_public)
    reader = _der.Reader(data)
    if reader.peek() != _der.SEQUENCE:
        raise ValueError("the key is neither PEM nor DER")
    inner = reader.sequence()
    if inner.peek() == _der.SEQUENCE:
        second = inner.any() and inner.peek()
        if second == _der.OCTETS:
            if password is None:
                raise PasswordMissing("Password was not given but private key is encrypted")
            return _with(_decrypted(_der.Reader(data), password))
        if second == _der.SEQUENCE:
            return Certificate(data).key()
    problem = None
    for form in forms:
        try:
            return form(_der.Reader(data))
        except ValueError as error:
            # What the form that fits best says is the first that gets past the form itself.
            if problem is None or "is expected" in str(problem):
                problem = error
    raise problem


def _with(data):
    """What was decrypted: where it is no key, the password was another."""
    try:
        return _of_der(data, None)
    except ValueError:
        raise PasswordWrong("the password is wrong, or the key is damaged") from None


def load(data, password=None):
    """A key in PEM or DER; of a certificate its public key."""
    if isinstance(data, str):
        data = data.encode()
    data = bytes(data)
    if isinstance(password, str):
        password = password.encode()
    if b"-----BEGIN" not in data:
        return _of_der(data, password)
    for label, headers, content in _der.from_pem(data):
        if label == "EC PARAMETERS":
            continue
        if label == "OPENSSH PRIVATE KEY":
            raise ValueError("the key is in OpenSSH's own form: write it as PEM with ssh-keygen -p -m PEM")
        if info := headers.get("DEK-Info"):
            if password is None:
                raise PasswordMissing("Password was not given but private key is encrypted")
            return _with(_decrypted_openssl(info, content, password))
        return _of_der(content, password)
    raise ValueError("the key is not in PEM: there is no whole block of it")


def encrypted_pkcs8(data, password, rounds=600_000):
    """PKCS #8 under a password: PBKDF2 with SHA-256, AES-256 in CBC mode."""
    salt, iv = os.urandom(16), os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha256", password, salt, rounds, 32)
    count = 16 - len(data) % 16
    content = _cipher.blocks("aes-cbc-encrypt", key, iv, data + bytes((count,)) * count)
    prf = _der.sequence(_der.oid("1.2.840.113549.2.9"), _der.null())
    derive = _der.sequence(
        _der.oid("1.2.840.113549.1.5.12"), _der.sequence(_der.octets(salt), _der.integer(rounds), prf)
    )
    cipher = _der.sequence(_der.oid("2.16.840.1.101.3.4.1.42"), _der.octets(iv))
    kind = _der.sequence(_der.oid("1.2.840.113549.1.5.13"), _der.sequence(derive, cipher))
    return _der.sequence(kind, _der.octets(content))
