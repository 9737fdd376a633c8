# expect: succeeded|failed|crashed fuel=4e9 memory=64MiB timeout=20s
# The script finds the harness's own export and calls it again from inside.
import gc


def run():
    for found in gc.get_objects():
        if isinstance(found, type) and found.__name__ == "WitWorld" and "run" in vars(found):
            try:
                found().run(None)
            except Exception:
                pass
    return "real"
