# expect: failed error=RuntimeError message='this wait would never end' fuel=2e9 timeout=2s
# A lock that its only thread takes again. No other thread can release it: it says so instead of waiting.
import threading

lock = threading.Lock()
lock.acquire()
lock.acquire()
raise AssertionError("a lock was taken twice")
