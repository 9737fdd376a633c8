# /// script
# dependencies = ["google-crc32c"]
# ///
import warnings

warnings.simplefilter("ignore")
import google_crc32c

assert google_crc32c.value(b"123456789") == 0xE3069283
