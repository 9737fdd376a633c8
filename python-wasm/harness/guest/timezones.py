"""Time zone data from memory."""

from .kept import __builtins__

import io

from . import stdlib


def adapt_zoneinfo_common(library):
    """Has `zoneinfo` read a zone straight from the library: the way through `importlib.resources` would import a score
    of modules first."""

    def adapt(module):
        def load_tzdata(key):
            try:
                return io.BytesIO(library.get_data(f"{stdlib.ROOT}/tzdata/zoneinfo/{key}"))
            except FileNotFoundError:
                raise module.ZoneInfoNotFoundError(f"No time zone found with key {key}") from None

        module.load_tzdata = load_tzdata

    return adapt
