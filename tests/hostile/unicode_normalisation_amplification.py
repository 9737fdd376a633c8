# expect: out_of_memory memory=64MiB fuel=20e9 error=MemoryError
# One character becomes 18 under NFKD.
import unicodedata

unicodedata.normalize("NFKD", "\ufdfa" * 4_000_000)
