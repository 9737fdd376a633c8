"""How RSA pads: PKCS #1 v1.5, OAEP and PSS (RFC 8017)."""

import hashlib
import hmac
import os

from . import _der

OIDS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sha3_224": "2.16.840.1.101.3.4.2.7",
    "sha3_256": "2.16.840.1.101.3.4.2.8",
    "sha3_384": "2.16.840.1.101.3.4.2.9",
    "sha3_512": "2.16.840.1.101.3.4.2.10",
}
"""The names of hashes in signatures."""


def size_of(name):
    if name not in OIDS:
        raise ValueError(f"RSA signs no {name} digests here: {', '.join(OIDS)}")
    return hashlib.new(name).digest_size


def xor(one, other):
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def pkcs1_signature(name, digest, length):
    """The block that is signed; `name` None: the digest without the hash's name."""
    if name is None:
        said = digest
    else:
        if len(digest) != size_of(name):
            raise ValueError(f"the digest has {len(digest)} bytes, one of {name} has {size_of(name)}")
        said = _der.sequence(_der.sequence(_der.oid(OIDS[name]), _der.null()), _der.octets(digest))
    if len(said) + 11 > length:
        raise ValueError("the RSA key is too short for this hash")
    return b"\0\1" + b"\xff" * (length - len(said) - 3) + b"\0" + said


def pkcs1_encrypted(message, length):
    if len(message) + 11 > length:
        raise ValueError(f"Plaintext is too long: this RSA key encrypts at most {length - 11} bytes")
    padding = bytearray()
    while len(padding) < length - len(message) - 3:
        padding += os.urandom(length).replace(b"\0", b"")
    return b"\0\2" + bytes(padding[: length - len(message) - 3]) + b"\0" + message


def pkcs1_decrypted(block):
    """The message; None when the block is not padded so. Every byte is looked at in any case."""
    end, found = 0, 0
    for at, byte in enumerate(block[2:], 2):
        is_end = (byte == 0) & (found ^ 1)
        end += at * is_end
        found |= is_end
    good = (block[0] == 0) & (block[1] == 2) & found & (end >= 10)
    return block[end + 1 :] if good else None


def mask(name, seed, length):
    """MGF1."""
    made = bytearray()
    for counter in range(-(-length // hashlib.new(name).digest_size)):
        made += hashlib.new(name, seed + counter.to_bytes(4)).digest()
    return bytes(made[:length])


def oaep_encrypted(message, length, name, mask_name, label):
    size = hashlib.new(name).digest_size
    if len(message) > length - 2 * size - 2:
        raise ValueError(f"Plaintext is too long: this RSA key encrypts at most {max(length - 2 * size - 2, 0)} bytes")
    block = hashlib.new(name, label).digest() + bytes(length - len(message) - 2 * size - 2) + b"\1" + message
    seed = os.urandom(size)
    block = xor(block, mask(mask_name, seed, len(block)))
    return b"\0" + xor(seed, mask(mask_name, block, size)) + block


def oaep_decrypted(block, name, mask_name, label):
    """The message; None when the block is not padded so."""
    size = hashlib.new(name).digest_size
    if len(block) < 2 * size + 2:
        return None
    seed = xor(block[1 : size + 1], mask(mask_name, block[size + 1 :], size))
    data = xor(block[size + 1 :], mask(mask_name, seed, len(block) - size - 1))
    end, found, bad = 0, 0, block[0]
    for at, byte in enumerate(data[size:], size):
        is_end = (byte == 1) & (found ^ 1)
        bad |= byte * ((found | is_end) ^ 1)
        end += at * is_end
        found |= is_end
    same = hmac.compare_digest(data[:size], hashlib.new(name, label).digest())
    return data[end + 1 :] if same & found & (bad == 0) else None


def pss_signature(name, digest, bits, salt_size, mask_name):
    """The block that is signed, of a key whose modulus has `bits` + 1 bits."""
    size, length = hashlib.new(name).digest_size, -(-bits // 8)
    if len(digest) != size:
        raise ValueError(f"the digest has {len(digest)} bytes, one of {name} has {size}")
    if length < size + salt_size + 2:
        raise ValueError("the RSA key is too short for this hash and salt")
    salt = os.urandom(salt_size)
    hashed = hashlib.new(name, bytes(8) + digest + salt).digest()
    block = bytes(length - salt_size - size - 2) + b"\1" + salt
    block = bytearray(xor(block, mask(mask_name, hashed, len(block))))
    block[0] &= 0xFF >> (8 * length - bits)
    return bytes(block) + hashed + b"\xbc"


def pss_holds(block, name, digest, bits, salt_size, mask_name):
    """Whether a block is a signature; `salt_size` None: whatever it has."""
    size, length = hashlib.new(name).digest_size, -(-bits // 8)
    if len(digest) != size or length < size + 2 or len(block) < length or any(block[: len(block) - length]):
        return False
    block = block[len(block) - length :]
    if block[-1] != 0xBC or block[0] & ~(0xFF >> (8 * length - bits)) & 0xFF:
        return False
    masked, hashed = block[: length - size - 1], block[length - size - 1 : -1]
    data = bytearray(xor(masked, mask(mask_name, hashed, len(masked))))
    data[0] &= 0xFF >> (8 * length - bits)
    end = data.find(b"\1")
    if end < 0 or any(data[:end]):
        return False
    salt = bytes(data[end + 1 :])
    if salt_size is not None and len(salt) != salt_size:
        return False
    return hmac.compare_digest(hashlib.new(name, bytes(8) + digest + salt).digest(), hashed)
