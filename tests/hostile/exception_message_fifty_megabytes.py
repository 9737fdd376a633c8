# expect: failed error=ValueError message='xxxx' fuel=20e9 memory=256MiB timeout=20s
# A message that fits into memory and nowhere else.
raise ValueError("x" * 50_000_000)
