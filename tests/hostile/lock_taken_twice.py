# expect: crashed fuel=2e9 timeout=2s
# A lock that its only thread takes again. Nobody can ever give it back: the interpreter stops itself instead of
# waiting, and the sandbox process lives on.
import threading

lock = threading.Lock()
lock.acquire()
lock.acquire()
raise AssertionError("a lock was taken twice")
