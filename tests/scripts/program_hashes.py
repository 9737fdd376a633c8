# expect: succeeded result='"all as published"'
# Digests of the published test vectors for "abc", and of HMAC and CRC-32.
import hashlib
import hmac
import zlib

VECTORS = {
    "md5": "900150983cd24fb0d6963f7d28e17f72",
    "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "sha3_256": "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    "blake2b": "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    "blake2s": "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
}


def run():
    for name, digest in VECTORS.items():
        assert hashlib.new(name, b"abc").hexdigest() == digest, name
    mac = hmac.new(b"Jefe", b"what do ya want for nothing?", "sha256").hexdigest()
    assert mac == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert zlib.crc32(b"123456789") == 0xCBF43926 and hmac.compare_digest("a", "a")
    return "all as published"
