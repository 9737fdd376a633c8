"""Names of kinds of keys, for annotations."""

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

PublicKeyTypes = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)
PrivateKeyTypes = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
CertificatePublicKeyTypes = PublicKeyTypes
CertificateIssuerPrivateKeyTypes = PrivateKeyTypes
