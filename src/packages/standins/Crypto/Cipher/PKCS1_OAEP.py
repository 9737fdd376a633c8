"""RSA encryption with OAEP."""

from Crypto.Hash import SHA1


class PKCS1OAEP_Cipher:
    def __init__(self, key, hashAlgo=None, mgfunc=None, label=b"", randfunc=None):
        if mgfunc is not None:
            raise NotImplementedError("Cronbox's OAEP takes no mask function of the script's own")
        self._key, self._hash, self._label = key, (hashAlgo or SHA1)._name, bytes(memoryview(label))

    def can_encrypt(self):
        return self._key.can_encrypt()

    def can_decrypt(self):
        return self._key.can_decrypt()

    def encrypt(self, message):
        try:
            return self._key._numbers.public().encrypt_oaep(bytes(memoryview(message)), self._hash, self._hash, self._label)
        except ValueError:
            raise ValueError("Plaintext is too long.") from None

    def decrypt(self, ciphertext):
        numbers, ciphertext = self._key._private(), bytes(memoryview(ciphertext))
        if len(ciphertext) != numbers.size:
            raise ValueError("Ciphertext with incorrect length.")
        found = numbers.decrypt_oaep(ciphertext, self._hash, self._hash, self._label)
        if found is None:
            raise ValueError("Incorrect decryption.")
        return found


def new(key, hashAlgo=None, mgfunc=None, label=b"", randfunc=None):
    return PKCS1OAEP_Cipher(key, hashAlgo, mgfunc, label, randfunc)
