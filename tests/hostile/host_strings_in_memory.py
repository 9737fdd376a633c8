# expect: succeeded result='"none found"' fuel=20e9 memory=256MiB timeout=20s
# Every text and bytes object of the interpreter, searched for paths and names of the machine that built it.
import gc
import re
import sys

pattern = re.compile(r"/(?:home|root|Users|srv)/[\w.-]{2,}")


def texts():
    gc.unfreeze()
    seen = set()
    stack = list(gc.get_objects())
    while stack:
        found = stack.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if type(found) is str:
            yield found
        elif type(found) is bytes:
            yield found.decode("latin-1")
        else:
            stack += [item for item in gc.get_referents(found) if id(item) not in seen]


def run():
    bad = set()
    for text in texts():
        if text.isascii() and "/" in text and "host_strings_in_memory" not in text:
            # The publisher of the interpreter built it there, in public.
            bad.update(match[0] for match in pattern.finditer(text) if match[0] != "/home/runner")
    assert not bad, sorted(bad)[:10]
    return "none found"
