# expect: succeeded result='"not found"' memory=64MiB
# Other scripts, packages and the harness's build folders by name, path, sys.path and finders.
import importlib
import importlib.util
import os
import sys


def run():
    sys.path += ["/", "/app/..", "/0", "/1", "/world", "/bundled", "/python", "/packages", "/site-packages", "..", "/tmp/.."]
    importlib.invalidate_caches()
    for name in ("price", "other", "main_", "tenant", "scripts.price", "app.price", "passwd", "..price"):
        try:
            importlib.import_module(name)
        except (ImportError, TypeError):
            continue
        raise AssertionError(f"{name} was imported")
    for path in ("/app/price.py", "/app/other.py", "/python/os.py", "/0/app.py", "/etc/passwd"):
        spec = importlib.util.spec_from_file_location("taken", path)
        try:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except (OSError, AttributeError):
            continue
        raise AssertionError(f"{path} was loaded")
    assert os.listdir("/app") == [os.path.basename(__file__)], os.listdir("/app")
    return "not found"
