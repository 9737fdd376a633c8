# expect: succeeded result='"refused"' memory=64MiB timeout=5s
# 10,000 threads, by both ways to start one.
import _thread
import threading


def run():
    for _ in range(5_000):
        for start in (lambda: threading.Thread(target=print).start(), lambda: _thread.start_new_thread(print, ())):
            try:
                start()
            except RuntimeError:
                continue
            raise AssertionError("a thread was started")
    assert threading.active_count() == 1
    return "refused"
