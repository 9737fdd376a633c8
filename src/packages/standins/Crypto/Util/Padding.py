"""Padding of the last block: pkcs7, x923, iso7816."""

__all__ = ["pad", "unpad"]


def pad(data_to_pad, block_size, style="pkcs7"):
    count = block_size - len(data_to_pad) % block_size
    if style == "pkcs7":
        padding = bytes((count,)) * count
    elif style == "x923":
        padding = bytes(count - 1) + bytes((count,))
    elif style == "iso7816":
        padding = b"\x80" + bytes(count - 1)
    else:
        raise ValueError("Unknown padding style")
    return data_to_pad + padding


def unpad(padded_data, block_size, style="pkcs7"):
    if not padded_data:
        raise ValueError("Zero-length input cannot be unpadded")
    if len(padded_data) % block_size:
        raise ValueError("Input data is not padded")
    if style in ("pkcs7", "x923"):
        count = padded_data[-1]
        if count < 1 or count > min(block_size, len(padded_data)):
            raise ValueError("Padding is incorrect.")
        expected = bytes((count,)) * count if style == "pkcs7" else bytes(count - 1) + bytes((count,))
        if padded_data[-count:] != expected:
            raise ValueError("PKCS#7 padding is incorrect." if style == "pkcs7" else "ANSI X.923 padding is incorrect.")
    elif style == "iso7816":
        count = len(padded_data) - padded_data.rfind(b"\x80")
        if count < 1 or count > min(block_size, len(padded_data)):
            raise ValueError("Padding is incorrect.")
        if count > 1 and padded_data[1 - count :] != bytes(count - 1):
            raise ValueError("ISO 7816-4 padding is incorrect.")
    else:
        raise ValueError("Unknown padding style")
    return padded_data[:-count]
