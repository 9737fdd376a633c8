# expect: succeeded|failed|crashed|out_of_fuel fuel=4e9 memory=128MiB timeout=20s
# Every dict and list of the interpreter that the collector knows is emptied.
import gc


def run():
    gc.unfreeze()
    for found in gc.get_objects():
        if type(found) in (dict, list) and found is not globals():
            try:
                found.clear()
            except Exception:
                pass
    return 1
