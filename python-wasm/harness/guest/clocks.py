"""The clocks of a process, which WASI has not: they follow the fuel that the script has used."""

from .kept import __builtins__

from types import SimpleNamespace

from . import host


def adapt_time(time):
    def process_time():
        return host.cpu_time() / 1e9

    def process_time_ns():
        return host.cpu_time()

    clock_gettime, clock_gettime_ns = time.clock_gettime, time.clock_gettime_ns
    own = {getattr(time, name, None) for name in ("CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID")} - {None}

    def gettime(clk_id, /):
        return process_time() if clk_id in own else clock_gettime(clk_id)

    def gettime_ns(clk_id, /):
        return process_time_ns() if clk_id in own else clock_gettime_ns(clk_id)

    time.process_time = time.thread_time = process_time
    time.process_time_ns = time.thread_time_ns = process_time_ns
    time.clock_gettime, time.clock_gettime_ns = gettime, gettime_ns
    clock_info = time.get_clock_info

    def get_clock_info(name, /):
        if name in ("process_time", "thread_time"):
            return SimpleNamespace(implementation="fuel", monotonic=True, adjustable=False, resolution=1e-9)
        return clock_info(name)

    time.get_clock_info = get_clock_info


def adapt_os(os):
    kind = os.times_result

    def times():
        return kind((host.cpu_time() / 1e9, 0.0, 0.0, 0.0, host.monotonic()))

    os.times = times
