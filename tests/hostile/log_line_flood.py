# expect: out_of_fuel truncated=stderr output_limit=64KiB fuel=1e9 memory=64MiB timeout=20s
# Log records and warnings by the million.
import logging
import warnings

warnings.simplefilter("always")
log = logging.getLogger("flood")
while True:
    log.warning("flood")
    warnings.warn("flood", stacklevel=1)
