# expect: succeeded result='[]' fuel=60e9 timeout=60s
# Every module of the standard library imports, or says in one sentence why not and what to use.
import importlib
import sys

SKIPPED = {"antigravity", "this", "idlelib", "turtledemo", "tkinter", "turtle", "test"}
NOT_FOR_THIS_PLATFORM = {"_overlapped", "_winapi", "_wmi", "msvcrt", "nt", "winreg", "winsound", "_scproxy", "_msi"}


def run():
    poor = []
    for name in sorted(sys.stdlib_module_names - SKIPPED - NOT_FOR_THIS_PLATFORM):
        try:
            importlib.import_module(name)
        except ImportError as error:
            if not name.startswith("_") and (len(str(error)) < 40 or str(error).startswith("No module named")):
                poor.append([name, str(error)])
        except Exception as error:
            poor.append([name, f"{type(error).__name__}: {error}"])
    return poor
