# /// script
# dependencies = ["PyJWT[crypto]"]
# ///
"""PyJWT with each of its algorithms of public keys, and keys as JSON."""

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
keys = [(name, rsa_key, RSAAlgorithm) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")]
keys += [
    ("ES256", ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    ("ES384", ec.generate_private_key(ec.SECP384R1()), ECAlgorithm),
    ("ES512", ec.generate_private_key(ec.SECP521R1()), ECAlgorithm),
    ("ES256K", ec.generate_private_key(ec.SECP256K1()), ECAlgorithm),
    ("EdDSA", ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
]
for name, key, kind in keys:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = jwt.encode({"tea": name}, private, algorithm=name)
    assert jwt.decode(token, public, algorithms=[name]) == {"tea": name}, name
    again = kind.from_jwk(kind.to_jwk(key.public_key()))
    assert jwt.decode(token, again, algorithms=[name]) == {"tea": name}, name
    assert jwt.decode(jwt.encode({"a": 1}, kind.from_jwk(kind.to_jwk(key)), name), public, [name]) == {"a": 1}, name
    head, body, signature = token.split(".")
    try:
        jwt.decode(f"{head}.{body}.{signature[:-8]}AAAAAAAA", public, algorithms=[name])
    except jwt.InvalidSignatureError:
        pass
    else:
        raise AssertionError(name)
