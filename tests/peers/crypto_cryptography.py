"""Uses cryptography, or what is in its place: run with the real package and in a sandbox, it must come to the same.

`same` is what has one right value; `made` is what has many, such as signatures; `checked` is what the other run made.
"""

# /// script
# dependencies = ["cryptography"]
# ///
import hashlib

from crypto_keys import KEYS
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

TEXT = "每天喝茶 tea ".encode() * 40
CURVES = ("secp256r1", "secp384r1", "secp521r1", "secp256k1")
HASHES = (hashes.MD5(), hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512(), hashes.SHA3_256())


def private(name, password=None):
    return serialization.load_pem_private_key(KEYS[name], password, default_backend())


def error(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as problem:
        return type(problem).__name__
    return None


def oaep(algorithm=hashes.SHA1, mask=hashes.SHA1, label=None):
    return padding.OAEP(mgf=padding.MGF1(mask()), algorithm=algorithm(), label=label)


def pss(length=padding.PSS.MAX_LENGTH, mask=hashes.SHA256):
    return padding.PSS(padding.MGF1(mask()), length)


def keys():
    same = {}
    for name in KEYS:
        if "certificate" in name:
            certificate = x509.load_pem_x509_certificate(KEYS[name])
            same[name] = [
                certificate.serial_number,
                str(certificate.not_valid_before_utc),
                str(certificate.not_valid_after_utc),
                certificate.fingerprint(hashes.SHA256()).hex(),
                certificate.signature.hex(),
                certificate.tbs_certificate_bytes.hex(),
                certificate.public_bytes(Encoding.PEM).decode(),
                certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex(),
            ]
            continue
        key = private(name, b"tea" if "encrypted" in name else None)
        public = key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        same[name] = [
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex(),
            pem.decode(),
        ]
        again = serialization.load_pem_public_key(pem)
        assert again == public, name
        if name.startswith("ed25519"):
            same[name] += [key.private_bytes_raw().hex(), public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()]
            continue
        same[name].append(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode())
        same[name].append(key.key_size)
        numbers = key.private_numbers()
        if name.startswith("rsa"):
            same[name] += [numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp]
            same[name] += [numbers.public_numbers.n, numbers.public_numbers.e]
            same[name].append(public.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode())
            found = rsa.rsa_recover_prime_factors(numbers.public_numbers.n, numbers.public_numbers.e, numbers.d)
            assert sorted(found) == sorted((numbers.p, numbers.q))
        else:
            same[name] += [key.curve.name, numbers.private_value, numbers.public_numbers.x, numbers.public_numbers.y]
            for form in (PublicFormat.UncompressedPoint, PublicFormat.CompressedPoint):
                point = public.public_bytes(Encoding.X962, form)
                same[name].append(point.hex())
                assert ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point) == public
            assert ec.derive_private_key(numbers.private_value, key.curve).private_numbers() == numbers
        assert numbers.private_key().private_numbers() == numbers
        assert numbers.public_numbers.public_key() == public
    return same


def signatures():
    same, made = {}, {}
    for size in (1024, 2048, 4096):
        key = private(f"rsa{size}-pkcs8")
        for algorithm in HASHES:
            same[f"pkcs1-{size}-{algorithm.name}"] = key.sign(TEXT, padding.PKCS1v15(), algorithm).hex()
        digest = hashlib.sha256(TEXT).digest()
        prehashed = utils.Prehashed(hashes.SHA256())
        same[f"prehashed-{size}"] = key.sign(digest, padding.PKCS1v15(), prehashed).hex()
        made[f"pss-{size}"] = key.sign(TEXT, pss(), hashes.SHA256()).hex()
        made[f"pss-digest-{size}"] = key.sign(TEXT, pss(padding.PSS.DIGEST_LENGTH, hashes.SHA1), hashes.SHA256()).hex()
        made[f"pkcs1-{size}"] = key.public_key().encrypt(b"tea", padding.PKCS1v15()).hex()
        made[f"oaep-{size}"] = key.public_key().encrypt(b"tea", oaep()).hex()
        made[f"oaep-mixed-{size}"] = key.public_key().encrypt(b"tea", oaep(hashes.SHA256, hashes.SHA1, b"label")).hex()
    for curve in CURVES:
        for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
            made[f"{curve}-{algorithm.name}"] = private(f"{curve}-pkcs8").sign(TEXT, ec.ECDSA(algorithm)).hex()
    same["ed25519"] = private("ed25519-pkcs8").sign(TEXT).hex()
    r, s = utils.decode_dss_signature(bytes.fromhex(made["secp256r1-sha256"]))
    assert utils.encode_dss_signature(r, s).hex() == made["secp256r1-sha256"]
    same["dss"] = utils.encode_dss_signature(2**255, 1).hex()
    made["encrypted"] = private("rsa1024-pkcs8").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"tea")
    ).decode()
    summed = hashes.Hash(hashes.SHA256())
    summed.update(TEXT)
    same["hash"] = summed.copy().finalize().hex()
    return same, made


def errors():
    rsa_key, ec_key = private("rsa1024-pkcs8"), private("secp256r1-pkcs8")
    public, pkcs1, sha256 = rsa_key.public_key(), padding.PKCS1v15(), hashes.SHA256()
    return {
        "signature": error(public.verify, bytes(128), b"x", pkcs1, sha256),
        "short": error(public.verify, b"x", b"x", pkcs1, sha256),
        "ecdsa": error(ec_key.public_key().verify, b"x", b"x", ec.ECDSA(sha256)),
        "ed25519": error(private("ed25519-pkcs8").public_key().verify, bytes(64), b"x"),
        "long": error(public.encrypt, bytes(200), pkcs1),
        "length": error(rsa_key.decrypt, b"x", pkcs1),
        "oaep": error(rsa_key.decrypt, bytes(128), oaep()),
        "pem": error(serialization.load_pem_private_key, b"no key", None),
        "der": error(serialization.load_der_private_key, b"\x30\x03\x02\x01\x05", None),
        "public as private": error(serialization.load_pem_private_key, pem(public), None),
        "password": error(private, "rsa2048-encrypted"),
        "wrong password": error(private, "rsa2048-encrypted", b"coffee"),
        "needless password": error(private, "rsa2048-pkcs8", b"tea"),
        "text": error(serialization.load_pem_public_key, "text"),
        "point": error(ec.EllipticCurvePublicNumbers(1, 1, ec.SECP256R1()).public_key),
        "certificate": error(x509.load_pem_x509_certificate, b"none"),
    }


def pem(public):
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def check(made):
    checked, sha256 = {}, hashes.SHA256()

    def hexed(name):
        return bytes.fromhex(made[name])

    for size in (1024, 2048, 4096):
        key = private(f"rsa{size}-pkcs8")
        public = key.public_key()
        public.verify(hexed(f"pss-{size}"), TEXT, pss(), sha256)
        public.verify(hexed(f"pss-{size}"), TEXT, pss(padding.PSS.AUTO), sha256)
        public.verify(hexed(f"pss-digest-{size}"), TEXT, pss(padding.PSS.DIGEST_LENGTH, hashes.SHA1), sha256)
        checked[f"{size}"] = [
            key.decrypt(hexed(f"pkcs1-{size}"), padding.PKCS1v15()) == b"tea",
            key.decrypt(hexed(f"oaep-{size}"), oaep()) == b"tea",
            key.decrypt(hexed(f"oaep-mixed-{size}"), oaep(hashes.SHA256, hashes.SHA1, b"label")) == b"tea",
            error(public.verify, hexed(f"pss-{size}"), b"other", pss(), sha256) == InvalidSignature.__name__,
        ]
    for curve in CURVES:
        for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
            public = private(f"{curve}-pkcs8").public_key()
            public.verify(hexed(f"{curve}-{algorithm.name}"), TEXT, ec.ECDSA(algorithm))
            other = error(public.verify, hexed(f"{curve}-{algorithm.name}"), b"other", ec.ECDSA(algorithm))
            checked[f"{curve}-{algorithm.name}"] = other == InvalidSignature.__name__
    key = serialization.load_pem_private_key(made["encrypted"].encode(), b"tea")
    checked["encrypted"] = key.private_numbers() == private("rsa1024-pkcs8").private_numbers()
    checked["made"] = ed25519.Ed25519PrivateKey.generate().public_key() is not None
    return checked


def run(other=None):
    same, made = signatures()
    same = {"keys": keys(), "signatures": same, "errors": errors()}
    digests = {name: hashlib.sha256(repr(part).encode()).hexdigest() for name, part in same.items() if name != "errors"}
    return {"same": {**digests, "errors": same["errors"]}, "made": made, "checked": check(other or made)}
