# expect: succeeded result='"alive"' memory=64MiB
# Times before 1970, beyond 64 bits, and no numbers at all (GHSA-mr2v-56j5-cmfc): an error or a clamp, no panic.
import os


def run():
    open("/tmp/f", "w").close()
    for value in (-1, -(2**31), -(2**62), -(2**63), 2**31, 2**33, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -0.5, 1e300, float("nan"), float("inf")):
        for how in ({"times": (value, value)}, {"ns": (value, value)}, {"ns": (0, value)}):
            for path in ("/tmp/f", "/tmp", "/tmp/none"):
                try:
                    os.utime(path, **how)
                    os.stat(path)
                except (OSError, OverflowError, ValueError, TypeError):
                    pass
    return "alive"
