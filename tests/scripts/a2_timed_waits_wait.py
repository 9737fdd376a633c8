# expect: succeeded result='[]' fuel=200e6 timeout=20s
# Case A2: every timed wait of the standard library takes its time and next to no fuel.
import concurrent.futures
import queue
import threading
import time


def until_free(lock):
    lock.acquire()
    return lock.acquire(timeout=0.1)


def semaphore():
    return threading.Semaphore(0).acquire(timeout=0.1)


def condition():
    with (condition := threading.Condition()):
        return condition.wait(0.1)


def condition_for():
    with (condition := threading.Condition()):
        return condition.wait_for(lambda: False, 0.1)


def barrier():
    try:
        threading.Barrier(2).wait(0.1)
    except threading.BrokenBarrierError:
        return False


def raises(kind, call):
    try:
        call()
    except kind:
        return False


WAITS = {
    "Event": lambda: threading.Event().wait(0.1),
    "Lock": lambda: until_free(threading.Lock()),
    "Semaphore": semaphore,
    "BoundedSemaphore": lambda: (lock := threading.BoundedSemaphore(1)).acquire() and lock.acquire(timeout=0.1),
    "Condition": condition,
    "Condition.wait_for": condition_for,
    "Barrier": barrier,
    "Queue": lambda: raises(queue.Empty, lambda: queue.Queue().get(timeout=0.1)),
    "Queue.put": lambda: raises(queue.Full, lambda: [(full := queue.Queue(1)).put(1), full.put(2, timeout=0.1)]),
    "LifoQueue": lambda: raises(queue.Empty, lambda: queue.LifoQueue().get(timeout=0.1)),
    "PriorityQueue": lambda: raises(queue.Empty, lambda: queue.PriorityQueue().get(timeout=0.1)),
    "SimpleQueue": lambda: raises(queue.Empty, lambda: queue.SimpleQueue().get(timeout=0.1)),
    "Future.result": lambda: raises(TimeoutError, lambda: concurrent.futures.Future().result(0.1)),
    "Future.exception": lambda: raises(TimeoutError, lambda: concurrent.futures.Future().exception(0.1)),
    "futures.wait": lambda: concurrent.futures.wait([concurrent.futures.Future()], 0.1).done,
    "as_completed": lambda: raises(
        TimeoutError, lambda: list(concurrent.futures.as_completed([concurrent.futures.Future()], 0.1))
    ),
}


def run():
    wrong = []
    for name, wait in WAITS.items():
        began = time.monotonic()
        answer = wait()
        took = time.monotonic() - began
        if answer or not 0.09 <= took < 2:
            wrong.append([name, repr(answer), took])
    return wrong
