# expect: succeeded|failed|crashed fuel=4e9 memory=64MiB timeout=20s
# All modules' functions are replaced, the harness's and the generated bindings' included. The run may lose its own
# result in any way; nothing else may suffer.
import sys


def refuse(*args, **kwargs):
    raise SystemExit(0)


def run():
    for name, module in list(sys.modules.items()):
        if name in ("sys", "builtins", __name__):
            continue
        for key, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type):
                try:
                    setattr(module, key, refuse)
                except (AttributeError, TypeError):
                    pass
    return 1
