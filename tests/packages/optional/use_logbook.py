# /// script
# dependencies = ["logbook"]
# ///
import logbook

with logbook.TestHandler() as handler:
    logbook.Logger("prices").warn("too {}", "dear")
assert handler.has_warning("too dear")
