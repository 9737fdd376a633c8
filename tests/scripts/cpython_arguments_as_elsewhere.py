# expect: succeeded result='[]'
# What is ours in place of C refuses the same arguments with the same types of errors, and knows the same switches.
import fcntl
import grp
import hashlib
import os
import pwd
import select
import signal
import threading


def subclass():
    class Lock(threading.Lock):
        pass


def run():
    wrong = []
    held = threading.Lock()
    held.acquire()
    for name, kind, use in [
        ("select of an object", TypeError, lambda: select.select([object()], [], [], 0)),
        ("a timeout that is no number", ValueError, lambda: held.acquire(timeout=float("nan"))),
        ("a lock as a base", TypeError, subclass),
        ("a lock of no file", TypeError, lambda: fcntl.flock("spam", fcntl.LOCK_SH)),
        ("a user that is no number", TypeError, lambda: pwd.getpwuid(3.14)),
        ("a group that is no number", TypeError, lambda: grp.getgrgid(3.14)),
        ("scrypt without a number", TypeError, lambda: hashlib.scrypt(b"p", salt=b"s", n=16, r=8, p=None)),
    ]:
        try:
            use()
            wrong.append([name, "it worked"])
        except kind:
            pass
        except Exception as error:
            wrong.append([name, repr(error)])
    os.environ["PYTHONBREAKPOINT"] = "0"
    breakpoint()
    os.environ["PYTHONBREAKPOINT"] = "builtins.len"
    if breakpoint([1, 2]) != 2:
        wrong.append(["breakpoint", "it did not call the function that PYTHONBREAKPOINT names"])
    if signal.alarm.__module__ != "signal":
        wrong.append(["alarm", signal.alarm.__module__])
    return wrong
