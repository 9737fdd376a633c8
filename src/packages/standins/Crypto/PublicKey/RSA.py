"""RSA keys: read, written, made."""

from cronbox import _der, _keys

from Crypto import IncorrectPassphraseError, PassphraseRequiredError

oid = _keys.RSA


class RsaKey:
    """A public or private key."""

    def __init__(self, numbers):
        self._numbers = numbers

    n = property(lambda self: self._numbers.n)
    e = property(lambda self: self._numbers.e)
    d = property(lambda self: self._private("d").d)
    p = property(lambda self: self._private("p").p)
    q = property(lambda self: self._private("q").q)
    dp = property(lambda self: self.d % (self.p - 1))
    dq = property(lambda self: self.d % (self.q - 1))
    invq = property(lambda self: pow(self.q, -1, self.p))
    invp = u = property(lambda self: pow(self.p, -1, self.q))

    def _private(self, name=None):
        if self.has_private():
            return self._numbers
        if name is not None:
            raise AttributeError(f"No private component '{name}' available for public keys")
        raise TypeError("This is not a private key")

    def size_in_bits(self):
        return self._numbers.bits

    def size_in_bytes(self):
        return self._numbers.size

    def has_private(self):
        return self._numbers.is_private

    def can_encrypt(self):
        return True

    def can_sign(self):
        return True

    def can_decrypt(self):
        return self.has_private()

    def public_key(self):
        return RsaKey(self._numbers.public())

    publickey = public_key

    def export_key(self, format="PEM", passphrase=None, pkcs=1, protection=None, randfunc=None, prot_params=None):
        """PEM or DER, as bytes; with a passphrase as PKCS #8."""
        if format not in ("PEM", "DER"):
            raise ValueError(f"Unknown key format '{format}'. Cronbox's RSA writes PEM and DER.")
        if not self.has_private():
            label, data = "PUBLIC KEY", self._numbers.spki()
        elif passphrase is not None:
            if protection is None and pkcs == 1 and format == "PEM":
                raise NotImplementedError("write it with pkcs=8 and protection='PBKDF2WithHMAC-SHA512AndAES256-CBC'")
            password = passphrase.encode() if isinstance(passphrase, str) else bytes(passphrase)
            label, data = "ENCRYPTED PRIVATE KEY", _keys.encrypted_pkcs8(self._numbers.pkcs8(), password)
        elif pkcs == 8:
            label, data = "PRIVATE KEY", self._numbers.pkcs8()
        else:
            label, data = "RSA PRIVATE KEY", self._numbers.pkcs1()
        return data if format == "DER" else _der.to_pem(label, data).rstrip(b"\n")

    exportKey = export_key

    def __eq__(self, other):
        if not isinstance(other, RsaKey) or self.has_private() != other.has_private():
            return False
        return (self.n, self.e) == (other.n, other.e) and (not self.has_private() or self.d == other.d)

    def __hash__(self):
        return hash((self.n, self.e))

    def __repr__(self):
        kind = "Private" if self.has_private() else "Public"
        return f"{kind} RSA key at 0x{id(self):X}"

    def __getstate__(self):
        raise TypeError("an RSA key is written with export_key(), not pickled")


def import_key(extern_key, passphrase=None):
    """A key in PEM or DER: public, private, or of a certificate."""
    try:
        numbers = _keys.load(extern_key, passphrase)
    except _keys.PasswordMissing as error:
        raise PassphraseRequiredError(str(error)) from None
    except _keys.PasswordWrong as error:
        raise IncorrectPassphraseError(str(error)) from None
    except ValueError as error:
        raise ValueError(f"RSA key format is not supported: {error}") from None
    if not isinstance(numbers, (_keys.RsaPublic, _keys.RsaPrivate)):
        raise ValueError("RSA key format is not supported: it is a key of another algorithm")
    return RsaKey(numbers)


importKey = import_key


def construct(rsa_components, consistency_check=True):
    """A key of its numbers: (n, e), (n, e, d), or (n, e, d, p, q, u)."""
    numbers = [int(number) for number in rsa_components]
    if len(numbers) == 2:
        return RsaKey(_keys.RsaPublic(*numbers))
    return RsaKey(_keys.RsaPrivate(*numbers[:5]))


def generate(bits, randfunc=None, e=65537):
    """A new key."""
    if bits < 1024:
        raise ValueError("RSA modulus length must be >= 1024")
    return RsaKey(_keys.generate_rsa(bits, e))
