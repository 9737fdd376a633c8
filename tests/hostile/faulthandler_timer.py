# expect: succeeded result='"refused"' timeout=3s
# A watchdog thread inside the guest would need threads.
import faulthandler


def run():
    start = getattr(faulthandler, "dump_traceback_later", None)
    if start:
        try:
            start(0.01, exit=True)
        except (RuntimeError, OSError, AttributeError):
            pass
        else:
            raise AssertionError("a thread was started")
    return "refused"
