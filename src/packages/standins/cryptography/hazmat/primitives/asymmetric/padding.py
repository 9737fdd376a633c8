"""How RSA pads."""

from cryptography.hazmat.primitives import hashes


class AsymmetricPadding:
    name = None


class PKCS1v15(AsymmetricPadding):
    name = "EMSA-PKCS1-v1_5"


class _MaxLength:
    pass


class _Auto:
    pass


class _DigestLength:
    pass


class MGF:
    _algorithm = None


class MGF1(MGF):
    def __init__(self, algorithm):
        if not isinstance(algorithm, hashes.HashAlgorithm):
            raise TypeError("Expected instance of hashes.HashAlgorithm.")
        self._algorithm = algorithm


class PSS(AsymmetricPadding):
    MAX_LENGTH, AUTO, DIGEST_LENGTH = _MaxLength(), _Auto(), _DigestLength()
    name = "EMSA-PSS"

    def __init__(self, mgf, salt_length):
        if not isinstance(salt_length, (int, _MaxLength, _Auto, _DigestLength)):
            raise TypeError("salt_length must be an integer, MAX_LENGTH, DIGEST_LENGTH, or AUTO")
        if isinstance(salt_length, int) and salt_length < 0:
            raise ValueError("salt_length must be zero or greater.")
        self._mgf, self._salt_length = mgf, salt_length

    @property
    def mgf(self):
        return self._mgf


class OAEP(AsymmetricPadding):
    name = "EME-OAEP"

    def __init__(self, mgf, algorithm, label):
        if not isinstance(algorithm, hashes.HashAlgorithm):
            raise TypeError("Expected instance of hashes.HashAlgorithm.")
        self._mgf, self._algorithm, self._label = mgf, algorithm, label

    @property
    def algorithm(self):
        return self._algorithm

    @property
    def mgf(self):
        return self._mgf


def calculate_max_pss_salt_length(key, hash_algorithm):
    return (key.key_size + 6) // 8 - hash_algorithm.digest_size - 2
