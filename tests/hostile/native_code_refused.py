# expect: succeeded result='{"refused": 8}' memory=64MiB timeout=5s
# Modules that reach machine code, other processes' memory or devices are not there, or refuse every use.
import importlib
import importlib.machinery
import importlib.util


def run():
    refused = 0
    uses = [
        lambda: importlib.import_module("_ctypes"),
        lambda: importlib.import_module("ctypes").CDLL(None),
        lambda: importlib.import_module("ctypes").string_at(0),
        lambda: importlib.import_module("fcntl").ioctl(0, 21505),
        lambda: importlib.import_module("resource").setrlimit(7, (1 << 20, 1 << 20)),
        lambda: importlib.import_module("_posixshmem").shm_open("/x", 0),
        lambda: importlib.import_module("termios").tcgetattr(0),
    ]
    for use in uses:
        try:
            use()
        except (ImportError, OSError):
            refused += 1
    with open("/tmp/evil.so", "wb") as file:
        file.write(b"\0asm\1\0\0\0")
    try:
        loader = importlib.machinery.ExtensionFileLoader("evil", "/tmp/evil.so")
        importlib.util.module_from_spec(importlib.util.spec_from_loader("evil", loader))
    except (ImportError, AttributeError):
        refused += 1
    return {"refused": refused}
