# expect: succeeded result='{"refused": 8}' memory=64MiB timeout=5s
# Modules that reach machine code, other processes' memory or devices are not there.
import importlib
import importlib.machinery
import importlib.util


def run():
    refused = 0
    for name in ("ctypes", "_ctypes", "mmap", "fcntl", "resource", "_posixshmem", "termios"):
        try:
            importlib.import_module(name)
        except ImportError:
            refused += 1
    with open("/tmp/evil.so", "wb") as file:
        file.write(b"\0asm\1\0\0\0")
    try:
        loader = importlib.machinery.ExtensionFileLoader("evil", "/tmp/evil.so")
        importlib.util.module_from_spec(importlib.util.spec_from_loader("evil", loader))
    except (ImportError, AttributeError):
        refused += 1
    return {"refused": refused}
