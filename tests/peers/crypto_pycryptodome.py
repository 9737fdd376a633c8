"""Uses pycryptodome, or what is in its place: run with the real package and in a sandbox, it must come to the same.

`same` is what has one right value; `made` is what has many, such as signatures; `checked` is what the other run made.
"""

# /// script
# dependencies = ["pycryptodome"]
# ///
import hashlib

from crypto_keys import KEYS
from Crypto.Cipher import AES, PKCS1_OAEP, PKCS1_v1_5
from Crypto.Hash import HMAC, MD5, SHA1, SHA224, SHA256, SHA384, SHA512, SHA3_256
from Crypto.PublicKey import RSA
from Crypto.Random import get_random_bytes
from Crypto.Signature import PKCS1_v1_5 as old_signature
from Crypto.Signature import pkcs1_15, pss
from Crypto.Util import Counter
from Crypto.Util.number import bytes_to_long, long_to_bytes
from Crypto.Util.Padding import pad, unpad

TEXT = "每天喝茶 tea ".encode() * 40


def some(length, seed="x"):
    return hashlib.shake_256(seed.encode()).digest(length)


def error(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as problem:
        return type(problem).__name__
    return None


def ciphers():
    same = {}
    for size in (16, 24, 32):
        key, iv = some(size, "key"), some(16, "iv")
        data = pad(TEXT, 16)
        for name, cipher, text in (
            ("ecb", lambda: AES.new(key, AES.MODE_ECB), data),
            ("cbc", lambda: AES.new(key, AES.MODE_CBC, iv), data),
            ("cfb", lambda: AES.new(key, AES.MODE_CFB, iv), TEXT),
            ("cfb128", lambda: AES.new(key, AES.MODE_CFB, iv=iv, segment_size=128), data),
            ("ofb", lambda: AES.new(key, AES.MODE_OFB, iv=iv), TEXT),
            ("ctr", lambda: AES.new(key, AES.MODE_CTR, nonce=iv[:8]), TEXT),
            ("ctr-initial", lambda: AES.new(key, AES.MODE_CTR, nonce=iv[:12], initial_value=2**31 + 5), TEXT),
            ("ctr-full", lambda: AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=b"\xff" * 16), TEXT),
            ("ctr-counter", lambda: AES.new(key, AES.MODE_CTR, counter=Counter.new(64, prefix=iv[:8], initial_value=7)), TEXT),
            ("ctr-counter-128", lambda: AES.new(key, AES.MODE_CTR, counter=Counter.new(128, initial_value=2**128 - 3)), TEXT),
        ):
            encrypted = cipher().encrypt(text)
            same[f"{name}-{size}"] = encrypted.hex()
            assert cipher().decrypt(encrypted) == text, name
            if name in ("ctr", "ofb", "cfb"):
                pieces = cipher()
                assert b"".join(pieces.encrypt(text[at : at + 7]) for at in range(0, len(text), 7)) == encrypted, name
            if name in ("ecb", "cbc"):
                pieces = cipher()
                assert b"".join(pieces.encrypt(text[at : at + 16]) for at in range(0, len(text), 16)) == encrypted, name
        for mode in ("GCM", "EAX"):
            for length in (8, 12, 16, 33):
                cipher = AES.new(key, getattr(AES, f"MODE_{mode}"), nonce=some(length, "nonce"))
                cipher.update(b"head")
                cipher.update(b"er")
                made = cipher.encrypt(TEXT[:21]) + cipher.encrypt(TEXT[21:])
                same[f"{mode}-{size}-{length}"] = [made.hex(), cipher.digest().hex(), cipher.hexdigest()]
                back = AES.new(key, getattr(AES, f"MODE_{mode}"), nonce=some(length, "nonce"))
                back.update(b"header")
                assert back.decrypt_and_verify(made, cipher.digest()) == TEXT
            cipher = AES.new(key, getattr(AES, f"MODE_{mode}"), nonce=iv, mac_len=8)
            same[f"{mode}-{size}-short"] = [part.hex() for part in cipher.encrypt_and_digest(b"")]
    large = some(1 << 20) * 9
    for mode, extra in ((AES.MODE_CBC, {"iv": some(16)}), (AES.MODE_CTR, {"nonce": some(8)}), (AES.MODE_GCM, {"nonce": some(12)})):
        made = AES.new(some(32), mode, **extra).encrypt(large)
        same[f"large-{mode}"] = hashlib.sha256(made).hexdigest()
    same["large-tag"] = AES.new(some(32), AES.MODE_GCM, nonce=some(12)).encrypt_and_digest(large)[1].hex()
    return same


def errors():
    key = some(16)
    cbc = AES.new(key, AES.MODE_CBC, some(16))
    cbc.encrypt(bytes(16))
    gcm = AES.new(key, AES.MODE_GCM, nonce=some(12))
    rsa = RSA.import_key(KEYS["rsa1024-pkcs8"])
    return {
        "key": error(AES.new, b"short", AES.MODE_ECB),
        "mode": error(AES.new, key, 99),
        "iv": error(AES.new, key, AES.MODE_CBC, b"short"),
        "parameter": error(AES.new, key, AES.MODE_ECB, tea=1),
        "turn": error(cbc.decrypt, bytes(16)),
        "block": error(AES.new(key, AES.MODE_CBC, some(16)).encrypt, b"x"),
        "text": error(AES.new(key, AES.MODE_ECB).encrypt, "a" * 16),
        "tag": error(gcm.decrypt_and_verify, b"x", bytes(16)),
        "pad": [error(unpad, data, 16) for data in (b"", b"x", bytes(16), b"\x11" * 16, b"a" * 15 + b"\2")],
        "unpad": [unpad(pad(b"tea", 16, style), 16, style).decode() for style in ("pkcs7", "x923", "iso7816")],
        "long": error(PKCS1_v1_5.new(rsa).encrypt, bytes(200)),
        "long-oaep": error(PKCS1_OAEP.new(rsa).encrypt, bytes(200)),
        "length": error(PKCS1_v1_5.new(rsa).decrypt, b"x", None),
        "public": error(lambda: rsa.public_key().d),
        "sign-public": error(pkcs1_15.new(rsa.public_key()).sign, SHA256.new(b"x")),
        "bad-key": error(RSA.import_key, b"no key"),
        "password": error(RSA.import_key, KEYS["rsa2048-encrypted"]),
        "wrong-password": error(RSA.import_key, KEYS["rsa2048-encrypted"], "coffee"),
    }


def hashes():
    same = {}
    for module in (MD5, SHA1, SHA224, SHA256, SHA384, SHA512, SHA3_256):
        one = module.new(TEXT)
        one.update(b"more")
        copy = one.copy()
        copy.update(b"yet")
        same[module.__name__.rpartition(".")[2]] = [one.hexdigest(), copy.hexdigest(), one.digest_size, module.digest_size]
    same["hmac"] = HMAC.new(b"key", TEXT, SHA256).hexdigest()
    same["hmac-md5"] = HMAC.new(b"key", TEXT).hexdigest()
    same["numbers"] = [bytes_to_long(b"\0tea"), long_to_bytes(2**70).hex(), long_to_bytes(5, 8).hex()]
    return same


def keys():
    same = {}
    for name in ("rsa1024-pkcs8", "rsa1024-openssl", "rsa2048-openssl", "rsa4096-pkcs8", "rsa2048-certificate"):
        key = RSA.import_key(KEYS[name])
        same[name] = [key.n, key.e, key.size_in_bits(), key.size_in_bytes(), key.has_private(), key.public_key().export_key().decode()]
        if key.has_private():
            same[name] += [key.d, key.p, key.q, key.u, key.export_key().decode(), key.export_key("DER").hex(), key.export_key(pkcs=8).decode()]
            assert RSA.construct((key.n, key.e, key.d)) == key
            assert RSA.construct((key.n, key.e)) == key.public_key() == RSA.import_key(key.public_key().export_key("DER"))
            assert RSA.import_key(key.export_key("DER", pkcs=8)) == key
    for name in ("rsa2048-encrypted", "rsa2048-openssl-encrypted"):
        assert RSA.import_key(KEYS[name], passphrase="tea") == RSA.import_key(KEYS["rsa2048-pkcs8"]), name
    return same


def signatures():
    same, made = {}, {}
    for size in (1024, 2048, 4096):
        key = RSA.import_key(KEYS[f"rsa{size}-pkcs8"])
        for module in (MD5, SHA1, SHA256, SHA384, SHA512, SHA3_256):
            name = module.__name__.rpartition(".")[2]
            same[f"pkcs1-{size}-{name}"] = pkcs1_15.new(key).sign(module.new(TEXT)).hex()
        made[f"pss-{size}"] = pss.new(key).sign(SHA256.new(TEXT)).hex()
        made[f"pss-salt-{size}"] = pss.new(key, salt_bytes=5).sign(SHA1.new(TEXT)).hex()
        made[f"encrypted-{size}"] = PKCS1_v1_5.new(key.public_key()).encrypt("密码".encode()).hex()
        made[f"oaep-{size}"] = PKCS1_OAEP.new(key.public_key()).encrypt(b"tea").hex()
        made[f"oaep-sha256-{size}"] = PKCS1_OAEP.new(key.public_key(), SHA256, label=b"label").encrypt(b"tea").hex()
    made["exported"] = RSA.import_key(KEYS["rsa2048-pkcs8"]).export_key(
        passphrase="tea", pkcs=8, protection="PBKDF2WithHMAC-SHA256AndAES256-CBC", prot_params={"iteration_count": 1000}
    ).decode()
    return same, made


def check(made):
    checked = {}
    for size in (1024, 2048, 4096):
        key = RSA.import_key(KEYS[f"rsa{size}-pkcs8"])
        public = key.public_key()
        pss.new(public).verify(SHA256.new(TEXT), bytes.fromhex(made[f"pss-{size}"]))
        pss.new(public, salt_bytes=5).verify(SHA1.new(TEXT), bytes.fromhex(made[f"pss-salt-{size}"]))
        checked[f"{size}"] = [
            PKCS1_v1_5.new(key).decrypt(bytes.fromhex(made[f"encrypted-{size}"]), None) == "密码".encode(),
            PKCS1_OAEP.new(key).decrypt(bytes.fromhex(made[f"oaep-{size}"])) == b"tea",
            PKCS1_OAEP.new(key, SHA256, label=b"label").decrypt(bytes.fromhex(made[f"oaep-sha256-{size}"])) == b"tea",
            error(pss.new(public).verify, SHA256.new(b"other"), bytes.fromhex(made[f"pss-{size}"])) == "ValueError",
            error(pkcs1_15.new(public).verify, SHA256.new(b"other"), bytes(size // 8)) == "ValueError",
            old_signature.new(public).verify(SHA256.new(TEXT), pkcs1_15.new(key).sign(SHA256.new(TEXT))) is True,
            not old_signature.new(public).verify(SHA256.new(b"x"), pkcs1_15.new(key).sign(SHA256.new(TEXT))),
            PKCS1_v1_5.new(key).decrypt(bytes(size // 8 - 1) + b"\1", b"sentinel") == b"sentinel",
        ]
    checked["exported"] = RSA.import_key(made["exported"], "tea") == RSA.import_key(KEYS["rsa2048-pkcs8"])
    checked["random"] = len(get_random_bytes(7)) == 7
    return checked


def run(other=None):
    same, made = signatures()
    same = {"ciphers": ciphers(), "errors": errors(), "hashes": hashes(), "keys": keys(), "signatures": same}
    digests = {name: hashlib.sha256(repr(part).encode()).hexdigest() for name, part in same.items() if name != "errors"}
    return {"same": {**digests, "errors": same["errors"]}, "made": made, "checked": check(other or made)}
