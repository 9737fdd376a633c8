"""Modules that draw something at import which each run has to have for itself, and how it is drawn again.

Where an image has one of them imported, a run draws again when it begins. What these modules ask for while they are
imported is allowed in an image; what other modules ask for is not.
"""

from .kept import __builtins__

import itertools
import os
import random
import time


def _multiprocessing_process(module):
    module._current_process._config["authkey"] = module.AuthenticationString(os.urandom(32))


def _dateutil_parser(module):
    # The century that years of two digits belong to.
    info = module.DEFAULTPARSER.info
    info._year = time.localtime().tm_year
    info._century = info._year // 100 * 100


def _rich_style(module):
    module._id_generator = itertools.count(random.getrandbits(24))


RENEW = {
    "multiprocessing.process": _multiprocessing_process,
    "dateutil.parser._parser": _dateutil_parser,
    "rich.style": _rich_style,
}
"""By the module's name; each is given the module."""


def renew(modules):
    """Draws again for those of `modules` (by name) that are here. An error says that a version of a package keeps what it
    drew elsewhere."""
    for name, change in RENEW.items():
        if module := modules.get(name):
            change(module)
