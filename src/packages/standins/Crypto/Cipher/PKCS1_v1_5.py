"""RSA encryption with the padding of PKCS #1 v1.5."""


class PKCS115_Cipher:
    def __init__(self, key, randfunc=None):
        self._key = key

    def can_encrypt(self):
        return self._key.can_encrypt()

    def can_decrypt(self):
        return self._key.can_decrypt()

    def encrypt(self, message):
        numbers, message = self._key._numbers.public(), bytes(memoryview(message))
        if len(message) + 11 > numbers.size:
            raise ValueError("Plaintext is too long.")
        return numbers.encrypt_pkcs1(message)

    def decrypt(self, ciphertext, sentinel, expected_pt_len=0):
        numbers, ciphertext = self._key._private(), bytes(memoryview(ciphertext))
        if len(ciphertext) != numbers.size:
            raise ValueError(f"Ciphertext with incorrect length (not {numbers.size} bytes)")
        found = numbers.decrypt_pkcs1(ciphertext)
        if found is None or expected_pt_len and len(found) != expected_pt_len:
            return sentinel
        return found


def new(key, randfunc=None):
    return PKCS115_Cipher(key, randfunc)
