# expect: succeeded|failed|crashed fuel=4e9 memory=64MiB
# Locals and globals of the frames below the script are overwritten. Outcome, fuel and time still come from the host.
import sys


def run():
    frame = sys._getframe().f_back
    while frame is not None:
        for name in list(frame.f_locals):
            try:
                frame.f_locals[name] = "forged"
            except Exception:
                pass
        for name in list(frame.f_globals):
            if not name.startswith("__"):
                frame.f_globals[name] = None
        frame = frame.f_back
    return "real"
