"""Encryption and signatures for scripts.

    from cronbox import crypto

    box = crypto.aes_gcm_encrypt(key, nonce, b"text")           # the tag is at the end
    text = crypto.aes_gcm_decrypt(key, nonce, box)
    key = crypto.load_key(open("key.pem").read())               # PEM or DER; a password if it has one
    signature = key.sign(b"text", hash="sha256")                # RSA: padding="pkcs1" or "pss"
    key.public_key().verify(signature, b"text", hash="sha256")  # True or False

The work is done outside of the interpreter at the machine's own speed, and costs the run fuel. Keys, nonces and data are
bytes. What cannot be decrypted raises DecryptError, a key that cannot be read ValueError.
"""

import hashlib

from . import _cipher, _der, _keys, _pad

__all__ = (
    "DecryptError",
    "aes_cbc_decrypt",
    "aes_cbc_encrypt",
    "aes_ctr",
    "aes_ecb_decrypt",
    "aes_ecb_encrypt",
    "aes_gcm_decrypt",
    "aes_gcm_encrypt",
    "chacha20_poly1305_decrypt",
    "chacha20_poly1305_encrypt",
    "generate_ec_key",
    "generate_ed25519_key",
    "generate_rsa_key",
    "load_key",
    "pad",
    "unpad",
)


class DecryptError(ValueError):
    """The key is wrong, or the data were changed."""


def _data(value, name):
    if isinstance(value, str):
        raise TypeError(f"{name} is bytes, not a text: use .encode()")
    return bytes(memoryview(value))


def _aes_key(key):
    key = _data(key, "key")
    if len(key) not in (16, 24, 32):
        raise ValueError(f"an AES key has 16, 24 or 32 bytes, not {len(key)}")
    return key


def pad(data, block_size=16):
    """Fills the last block up (PKCS #7)."""
    data = _data(data, "data")
    count = block_size - len(data) % block_size
    return data + bytes((count,)) * count


def unpad(data, block_size=16):
    """Takes what `pad` filled in away again."""
    data = _data(data, "data")
    count = data[-1] if data else 0
    if len(data) % block_size or not 1 <= count <= block_size or data[-count:] != bytes((count,)) * count:
        raise DecryptError("the data are not padded: the key is wrong, or the data were changed")
    return data[:-count]


def aes_ecb_encrypt(key, data, padding=True):
    """AES in ECB mode, which shows where data are alike: for services that ask for it."""
    data = pad(data) if padding else _data(data, "data")
    return _cipher.blocks("aes-ecb-encrypt", _aes_key(key), b"", data)


def aes_ecb_decrypt(key, data, padding=True):
    """What `aes_ecb_encrypt` encrypted."""
    data = _cipher.blocks("aes-ecb-decrypt", _aes_key(key), b"", _data(data, "data"))
    return unpad(data) if padding else data


def aes_cbc_encrypt(key, iv, data, padding=True):
    """AES in CBC mode; `iv` has 16 bytes, new ones each time."""
    data = pad(data) if padding else _data(data, "data")
    return _cipher.blocks("aes-cbc-encrypt", _aes_key(key), _block(iv), data)


def aes_cbc_decrypt(key, iv, data, padding=True):
    """What `aes_cbc_encrypt` encrypted."""
    data = _cipher.blocks("aes-cbc-decrypt", _aes_key(key), _block(iv), _data(data, "data"))
    return unpad(data) if padding else data


def _block(iv):
    iv = _data(iv, "iv")
    if len(iv) != 16:
        raise ValueError(f"an initialisation vector of AES has 16 bytes, not {len(iv)}")
    return iv


def aes_ctr(key, counter, data):
    """AES in CTR mode from a block of 16 bytes on: encrypts, and decrypts."""
    return _cipher.Counter(_aes_key(key), _block(counter)).apply(_data(data, "data"))


def aes_gcm_encrypt(key, nonce, data, associated=b""):
    """AES in GCM mode; the tag of 16 bytes follows what was encrypted. A nonce is never used twice."""
    return _sealed(_cipher.Gcm(_aes_key(key), _data(nonce, "nonce")), data, associated)


def aes_gcm_decrypt(key, nonce, data, associated=b""):
    """What `aes_gcm_encrypt` encrypted."""
    return _opened(_cipher.Gcm(_aes_key(key), _data(nonce, "nonce")), data, associated, lambda gcm: gcm.stream.apply)


def chacha20_poly1305_encrypt(key, nonce, data, associated=b""):
    """ChaCha20-Poly1305; the tag of 16 bytes follows what was encrypted. A nonce is never used twice."""
    return _sealed(_cipher.ChaChaPoly(_data(key, "key"), _data(nonce, "nonce")), data, associated)


def chacha20_poly1305_decrypt(key, nonce, data, associated=b""):
    """What `chacha20_poly1305_encrypt` encrypted."""
    cipher = _cipher.ChaChaPoly(_data(key, "key"), _data(nonce, "nonce"))
    return _opened(cipher, data, associated, lambda cipher: cipher.apply)


def _sealed(cipher, data, associated):
    apply = cipher.stream.apply if isinstance(cipher, _cipher.Gcm) else cipher.apply
    encrypted = apply(_data(data, "data"))
    return encrypted + cipher.tag(_data(associated, "associated"), encrypted)


def _opened(cipher, data, associated, apply):
    data = _data(data, "data")
    encrypted, tag = data[:-16], data[-16:]
    if len(tag) < 16 or not _cipher.same(tag, cipher.tag(_data(associated, "associated"), encrypted)):
        raise DecryptError("the key or the nonce is wrong, or the data were changed")
    return apply(cipher)(encrypted)


class _Key:
    """A key over its numbers."""

    def __init__(self, numbers):
        self._numbers = numbers

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __reduce__(self):
        raise TypeError("a key is written with to_pem() or to_der(), not pickled")


class _Public(_Key):
    is_private = False

    def public_key(self):
        return self

    def to_der(self):
        """SubjectPublicKeyInfo."""
        return self._numbers.spki()

    def to_pem(self):
        """The same as PEM, as text."""
        return _der.to_pem("PUBLIC KEY", self.to_der()).decode()


class _Private(_Key):
    is_private = True

    def public_key(self):
        return _wrapped(self._numbers.public())

    def to_der(self, password=None):
        """PKCS #8, encrypted if there is a password."""
        data = self._numbers.pkcs8()
        return data if password is None else _keys.encrypted_pkcs8(data, _password(password))

    def to_pem(self, password=None):
        """The same as PEM, as text."""
        label = "PRIVATE KEY" if password is None else "ENCRYPTED PRIVATE KEY"
        return _der.to_pem(label, self.to_der(password)).decode()


def _password(password):
    return password.encode() if isinstance(password, str) else _data(password, "password")


def _summed(data, hash):
    return hashlib.new(hash, _data(data, "data")).digest()


class RsaPublicKey(_Public):
    @property
    def bits(self):
        return self._numbers.bits

    def verify(self, signature, data, hash="sha256", padding="pkcs1"):
        """Whether `signature` was made of `data` by the private key."""
        signature, digest = _data(signature, "signature"), _summed(data, hash)
        if _known(padding, "pkcs1", "pss") == "pss":
            return self._numbers.verify_pss(hash, digest, signature, None, hash)
        return self._numbers.verify_pkcs1(hash, digest, signature)

    def encrypt(self, data, padding="oaep", hash="sha256", label=b""):
        data = _data(data, "data")
        if _known(padding, "oaep", "pkcs1") == "oaep":
            return self._numbers.encrypt_oaep(data, hash, hash, label)
        return self._numbers.encrypt_pkcs1(data)


class RsaPrivateKey(_Private):
    @property
    def bits(self):
        return self._numbers.bits

    def sign(self, data, hash="sha256", padding="pkcs1"):
        digest = _summed(data, hash)
        if _known(padding, "pkcs1", "pss") == "pss":
            return self._numbers.sign_pss(hash, digest, len(digest), hash)
        return self._numbers.sign_pkcs1(hash, digest)

    def decrypt(self, data, padding="oaep", hash="sha256", label=b""):
        data = _data(data, "data")
        if _known(padding, "oaep", "pkcs1") == "oaep":
            found = self._numbers.decrypt_oaep(data, hash, hash, label)
        else:
            found = self._numbers.decrypt_pkcs1(data)
        if found is None:
            raise DecryptError("the key or the padding is wrong, or the data were changed")
        return found


def _known(value, *values):
    if value not in values:
        raise ValueError(f"padding is {' or '.join(map(repr, values))}, not {value!r}")
    return value


class EcPublicKey(_Public):
    @property
    def curve(self):
        return self._numbers.curve.name

    def verify(self, signature, data, hash="sha256"):
        """Whether `signature` (two numbers in DER) was made of `data` by the private key."""
        try:
            r, s = _keys.signature_from_der(_data(signature, "signature"))
        except ValueError:
            return False
        return self._numbers.verify(_summed(data, hash), r, s)


class EcPrivateKey(_Private):
    @property
    def curve(self):
        return self._numbers.curve.name

    def sign(self, data, hash="sha256"):
        return _keys.signature_to_der(*self._numbers.sign(_summed(data, hash)))


class Ed25519PublicKey(_Public):
    def verify(self, signature, data):
        """Whether `signature` was made of `data` by the private key."""
        return self._numbers.verify(_data(data, "data"), _data(signature, "signature"))

    def to_raw(self):
        return self._numbers.raw


class Ed25519PrivateKey(_Private):
    def sign(self, data):
        return self._numbers.sign(_data(data, "data"))

    def to_raw(self):
        return self._numbers.raw


_CLASSES = {
    _keys.RsaPublic: RsaPublicKey,
    _keys.RsaPrivate: RsaPrivateKey,
    _keys.EcPublic: EcPublicKey,
    _keys.EcPrivate: EcPrivateKey,
    _keys.EdPublic: Ed25519PublicKey,
    _keys.EdPrivate: Ed25519PrivateKey,
}


def _wrapped(numbers):
    return _CLASSES[type(numbers)](numbers)


def load_key(data, password=None):
    """A private or public key of RSA, ECDSA or Ed25519, in PEM or DER; of a certificate its public key."""
    return _wrapped(_keys.load(data, password))


def generate_rsa_key(bits=3072):
    """A new key."""
    return _wrapped(_keys.generate_rsa(bits))


def generate_ec_key(curve="secp256r1"):
    """A new key."""
    return _wrapped(_keys.generate_ec(_keys.curve(curve)))


def generate_ed25519_key():
    """A new key."""
    import os

    return _wrapped(_keys.EdPrivate(os.urandom(32)))
