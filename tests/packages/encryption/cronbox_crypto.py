"""cronbox.crypto by itself: every function, there and back, and what it refuses."""

import os

from cronbox import crypto


def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind:
        return
    raise AssertionError((function, args))


text = "每天喝茶".encode() * 1000
for size in (16, 24, 32):
    key, iv = os.urandom(size), os.urandom(16)
    assert crypto.aes_cbc_decrypt(key, iv, crypto.aes_cbc_encrypt(key, iv, text)) == text
    assert crypto.aes_ecb_decrypt(key, crypto.aes_ecb_encrypt(key, text)) == text
    assert crypto.aes_ctr(key, iv, crypto.aes_ctr(key, iv, text)) == text
    for nonce in (os.urandom(12), os.urandom(16), b"x"):
        box = crypto.aes_gcm_encrypt(key, nonce, text, b"head")
        assert crypto.aes_gcm_decrypt(key, nonce, box, b"head") == text
        raises(crypto.DecryptError, crypto.aes_gcm_decrypt, key, nonce, box, b"other")
        raises(crypto.DecryptError, crypto.aes_gcm_decrypt, key, nonce, box[:-1], b"head")
key, nonce = os.urandom(32), os.urandom(12)
box = crypto.chacha20_poly1305_encrypt(key, nonce, text, b"head")
assert crypto.chacha20_poly1305_decrypt(key, nonce, box, b"head") == text
raises(crypto.DecryptError, crypto.chacha20_poly1305_decrypt, key, nonce, bytes(20))
raises(ValueError, crypto.aes_cbc_encrypt, b"short", bytes(16), text)
raises(TypeError, crypto.aes_cbc_encrypt, "a text that is no ", bytes(16), text)
raises(ValueError, crypto.aes_cbc_decrypt, key, bytes(16), b"x")
raises(crypto.DecryptError, crypto.aes_cbc_decrypt, key, bytes(16), bytes(16))
assert crypto.unpad(crypto.pad(b"tea")) == b"tea"
# More than one call of the host takes.
large = bytes(range(256)) * (9 << 12)
for box in (crypto.aes_gcm_encrypt, crypto.chacha20_poly1305_encrypt):
    sealed = box(bytes(32), bytes(12), large)
    assert len(sealed) == len(large) + 16
assert crypto.chacha20_poly1305_decrypt(bytes(32), bytes(12), sealed) == large
from cronbox import _cipher

assert _cipher._poly1305(key, large[:4096]) == _cipher.call("poly1305", (key, b"", large[:4096]), (0,))
# RFC 8439, 2.8.2
key = bytes(range(0x80, 0xA0))
sealed = crypto.chacha20_poly1305_encrypt(
    key,
    bytes.fromhex("070000004041424344454647"),
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
)
assert sealed.hex().startswith("d31a8d34648e60db7b86afbc53ef7ec2") and sealed.hex().endswith("1ae10b594f09e26a7e902ecbd0600691")

keys = [crypto.generate_rsa_key(2048), crypto.generate_ed25519_key()]
keys += [crypto.generate_ec_key(name) for name in ("secp256r1", "secp384r1", "secp521r1", "secp256k1")]
for key in keys:
    for again in (
        crypto.load_key(key.to_pem()),
        crypto.load_key(key.to_der()),
        crypto.load_key(key.to_pem(password="tea"), password="tea"),
        crypto.load_key(key.to_der(password=b"tea"), password=b"tea"),
    ):
        assert again.to_der() == key.to_der() and again.is_private
    public = crypto.load_key(key.public_key().to_pem())
    assert public.to_der() == key.public_key().to_der() and not public.is_private
    signature = again.sign(text)
    assert public.verify(signature, text) and not public.verify(signature, b"other") and not public.verify(b"x", text)
    raises(ValueError, crypto.load_key, key.to_pem(password="tea"), password="coffee")
    raises(TypeError, crypto.load_key, key.to_pem(password="tea"))
rsa = keys[0]
assert rsa.bits == 2048
for padding, hash in (("pkcs1", "sha512"), ("pss", "sha256")):
    assert rsa.public_key().verify(rsa.sign(text, hash, padding), text, hash, padding)
for padding in ("oaep", "pkcs1"):
    assert rsa.decrypt(rsa.public_key().encrypt(b"tea", padding), padding) == b"tea"
raises(crypto.DecryptError, rsa.decrypt, bytes(256))
raises(ValueError, rsa.decrypt, b"x")
raises(ValueError, rsa.public_key().encrypt, bytes(300))
for bad in ("", "no key", b"\x30\x03\x02\x01\x05", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\x30\x84\xff\xff\xff\xff"):
    raises(ValueError, crypto.load_key, bad)
