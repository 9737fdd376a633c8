# expect: failed error=Evil fuel=8e9 memory=64MiB timeout=20s
# The message does not fit into memory: the failure is still the script's own, its message missing.
class Evil(Exception):
    def __str__(self):
        return "x" * 10**9


raise Evil()
