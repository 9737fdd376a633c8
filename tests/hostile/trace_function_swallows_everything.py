# expect: out_of_fuel fuel=2e9 timeout=20s
# Hooks that Python calls on every line and event must not get hold of the end of the run.
import sys


def hook(frame, event, arg):
    return hook


sys.settrace(hook)
sys.setprofile(hook)


def run():
    while True:
        try:
            raise SystemExit(0)
        except BaseException:
            pass
