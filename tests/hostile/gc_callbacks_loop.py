# expect: out_of_fuel fuel=2e9 timeout=20s
# Callbacks of the collector are part of the run.
import gc


def loop(phase, info):
    while True:
        pass


gc.callbacks.append(loop)
gc.collect()
