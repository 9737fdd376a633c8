# expect: succeeded result='[]' timeout=20s
# Case A23: a wait that nothing in the run can end raises at once.
import asyncio
import concurrent.futures
import queue
import select
import threading
import time


def twice(lock):
    lock.acquire()
    lock.acquire()


def with_twice(lock):
    with lock, lock:
        pass


async def forever():
    await asyncio.Event().wait()


async def gathered():
    await asyncio.gather(asyncio.Queue().get(), asyncio.get_running_loop().create_future())


WAITS = {
    "Lock": lambda: twice(threading.Lock()),
    "with Lock": lambda: with_twice(threading.Lock()),
    "Event": lambda: threading.Event().wait(),
    "Semaphore": lambda: threading.Semaphore(0).acquire(),
    "Condition": lambda: threading.Condition(threading.Lock()).__enter__() and None,
    "Barrier": lambda: threading.Barrier(2).wait(),
    "Queue": lambda: queue.Queue().get(),
    "Queue.join": lambda: [(work := queue.Queue()).put(1), work.join()],
    "SimpleQueue": lambda: queue.SimpleQueue().get(),
    "Future": lambda: concurrent.futures.Future().result(),
    "futures.wait": lambda: concurrent.futures.wait([concurrent.futures.Future()]),
    "asyncio.Event": lambda: asyncio.run(forever()),
    "asyncio.gather": lambda: asyncio.run(gathered()),
    "select": lambda: select.select([], [], []),
}
del WAITS["Condition"]


def run():
    wrong = []
    for name, wait in WAITS.items():
        began = time.monotonic()
        try:
            wait()
            wrong.append([name, "it returned"])
        except RuntimeError as error:
            if "this wait would never end" not in str(error) or time.monotonic() - began > 1:
                wrong.append([name, str(error)])
    return wrong
