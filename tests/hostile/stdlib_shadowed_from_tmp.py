# expect: succeeded result='"stdlib wins"' memory=64MiB
# Modules of the standard library's names in the script's own reach do not take their place.
import sys


def run():
    for name in ("json", "sitecustomize", "usercustomize", "colorsys", "evil"):
        with open(f"/tmp/{name}.py", "w") as file:
            file.write("SHADOW = 1\n")
    with open("/tmp/evil.pth", "w") as file:
        file.write("import evil; raise SystemExit\n")
    import colorsys
    import json

    assert not hasattr(json, "SHADOW") and not hasattr(colorsys, "SHADOW")
    assert "/tmp" not in sys.path and "evil" not in sys.modules
    return "stdlib wins"
