# expect: out_of_fuel fuel=2e9 timeout=20s
# The same with sys.monitoring callbacks that raise and are raised at.
import sys

tool = 3
sys.monitoring.use_tool_id(tool, "swallow")
for event in (sys.monitoring.events.LINE, sys.monitoring.events.RAISE, sys.monitoring.events.PY_UNWIND):
    sys.monitoring.register_callback(tool, event, lambda *_: None)
events = sys.monitoring.events
sys.monitoring.set_events(tool, events.LINE | events.RAISE | events.PY_UNWIND)


def run():
    while True:
        try:
            1 / 0
        except BaseException:
            pass
