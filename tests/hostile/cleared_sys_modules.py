# expect: succeeded result='{"a": [1, "2", null]}'
# With every module gone from sys.modules the harness still finds what it needs.
import sys


def run():
    sys.modules.clear()
    sys.meta_path.clear()
    sys.path_hooks.clear()
    return {"a": [1, "2", None]}
