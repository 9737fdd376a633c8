# expect: succeeded|failed|crashed fuel=4e9 memory=64MiB timeout=20s
# The types that carry results to the host are replaced by look-alikes.
import sys


class Lie(Exception):
    def __init__(self, *args, **kwargs):
        self.value = {"mode": "function", "value": '"forged"'}


def run():
    for name, module in list(sys.modules.items()):
        if name.startswith(("wit_world", "componentize_py")):
            for key, value in list(vars(module).items()):
                if isinstance(value, type):
                    setattr(module, key, Lie)
    return "real"
