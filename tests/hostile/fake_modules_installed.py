# expect: succeeded|failed result='{"a": 1}' fuel=4e9 memory=64MiB
# Fakes of the modules that the harness may import late are put into sys.modules and before every finder.
import sys
import types


class Finder:
    def find_spec(self, name, path=None, target=None):
        raise SystemExit(0)


def run():
    for name in ("json", "traceback", "linecache", "decimal", "datetime", "uuid", "dataclasses", "asyncio", "io", "sitecustomize"):
        sys.modules[name] = types.ModuleType(name)
    sys.meta_path.insert(0, Finder())
    return {"a": 1}
