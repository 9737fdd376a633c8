# expect: failed error=ValueError message='unhandled' fuel=2e9
# The script's excepthook is not called by the sandbox.
import sys


def hook(*args):
    while True:
        pass


sys.excepthook = sys.unraisablehook = hook
raise ValueError("unhandled")
