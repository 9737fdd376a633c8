# expect: succeeded result='2' stdout='INFO report: 3 rows' stderr='WARNING report: slow'
# Log records to stdout and stderr, each with its own format and level.
import logging
import logging.config
import sys


def run():
    log = logging.getLogger("report")
    log.setLevel(logging.DEBUG)
    for stream, level in ((sys.stdout, logging.INFO), (sys.stderr, logging.WARNING)):
        handler = logging.StreamHandler(stream)
        handler.setLevel(level)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
    log.info("%d rows", 3)
    log.warning("slow")
    log.debug("never shown")
    return len(log.handlers)
