"""Exclusive or of bytes."""


def strxor(term1, term2, output=None):
    if len(term1) != len(term2):
        raise ValueError("Only byte strings of equal length can be xored")
    made = (int.from_bytes(term1) ^ int.from_bytes(term2)).to_bytes(len(term1))
    if output is None:
        return made
    output[:] = made
    return None


def strxor_c(term, c, output=None):
    if not 0 <= c < 256:
        raise ValueError("c must be in range(256)")
    return strxor(term, bytes((c,)) * len(term), output)
