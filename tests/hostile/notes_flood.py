# expect: succeeded result='"patched"'
# The harness's own list of sentences for the user, made large: what is kept of it is bounded (tests/attacks/accounting.rs).
import sys


def run():
    frame = sys._getframe()
    while frame is not None:
        harness = frame.f_locals.get("self")
        if type(harness).__name__ == "_Run":
            harness.notes.extend(["A" * (1 << 18)] * 12 + ["\0" * 9] * 3_000)
            return "patched"
        frame = frame.f_back
