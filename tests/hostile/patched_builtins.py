# expect: succeeded|failed fuel=4e9
# Every builtin is replaced while the script runs. The standard library that the harness calls afterwards sees the
# replacements, so the result may be lost; the outcome is one of these two and no other.
import builtins


def refuse(*args, **kwargs):
    raise SystemExit(0)


def run():
    for name in list(vars(builtins)):
        if not name.startswith("__"):
            setattr(builtins, name, refuse)
    return [1, 2]
