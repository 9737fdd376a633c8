# expect: succeeded result='"refused"' fuel=2e9 timeout=2s
# The same wait with a time-out of its own.
import threading


def run():
    lock = threading.Lock()
    lock.acquire()
    assert not lock.acquire(timeout=0.05), "a lock was taken twice"
    assert not lock.acquire(blocking=False), "a lock was taken twice"
    return "refused"
