# expect: out_of_fuel fuel=2e8 timeout=20s
# Questions to the node without end: each is work for the node, too, and costs so much.
import sys


def host():
    frame = sys._getframe()
    while frame is not None:
        found = frame.f_globals.get("host")
        if found is not None and hasattr(found, "_host"):
            return found._host
        frame = frame.f_back


def run():
    door = host()
    while True:
        try:
            door.call("previous_result", "{}")
        except Exception:
            pass
