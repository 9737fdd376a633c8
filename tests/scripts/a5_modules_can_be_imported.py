# expect: succeeded result='[]'
# Case A5: packages import modules that a sandbox cannot have, and never use them. The import works; a use raises the
# sentence.
import ctypes
import ctypes.util
import ctypes.wintypes
import curses
import fcntl
import getpass
import grp
import mmap
import multiprocessing
import multiprocessing.pool
import multiprocessing.shared_memory
import multiprocessing.synchronize
import os
import pty
import pwd
import readline
import resource
import syslog
import termios
import tty
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Process, Queue
from os import environ, execv, fork, path, system


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_int * 4), ("next", ctypes.POINTER(ctypes.c_char))]


class Worker(Process):
    pass


callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


def run():
    wrong = []
    uses = {
        "ctypes.c_int": lambda: ctypes.c_int(1),
        "ctypes.CDLL": lambda: ctypes.CDLL("libc.so.6"),
        "ctypes.cdll": lambda: ctypes.cdll.LoadLibrary("libc.so.6"),
        "Structure": Point,
        "pythonapi": lambda: ctypes.pythonapi.Py_IncRef(1),
        "Process": lambda: Worker(target=print).start(),
        "Pool": lambda: multiprocessing.Pool(2),
        "Queue": Queue,
        "Lock": multiprocessing.Lock,
        "Manager": multiprocessing.Manager,
        "ProcessPoolExecutor": lambda: ProcessPoolExecutor(),
        "SharedMemory": lambda: multiprocessing.shared_memory.SharedMemory(create=True, size=10),
        "system": lambda: system("ls"),
        "fork": lambda: fork(),
        "execv": lambda: execv("/bin/ls", ["ls"]),
        "curses": lambda: curses.initscr(),
        "termios": lambda: termios.tcgetattr(0),
        "setrlimit": lambda: resource.setrlimit(resource.RLIMIT_AS, (1, 1)),
    }
    for name, use in uses.items():
        try:
            use()
            wrong.append([name, "it worked"])
        except OSError as error:
            if len(str(error)) < 40:
                wrong.append([name, str(error)])
    works = {
        "find_library": (ctypes.util.find_library("c"), None),
        "hasattr": (hasattr(os, "fork"), False),
        "getuser": (getpass.getuser(), "cronbox"),
        "pwd": (pwd.getpwuid(os.getuid()).pw_dir, "/tmp"),
        "expanduser": (path.expanduser("~/x"), "/tmp/x"),
        "grp": (grp.getgrgid(os.getgid()).gr_name, "cronbox"),
        "root": (pwd.getpwuid(0).pw_name + grp.getgrnam("root").gr_name + str(len(pwd.getpwall())), "rootroot2"),
        "environ": (environ["HOME"], "/tmp"),
        "superuser": (os.geteuid() == 0, False),
        "flock": (fcntl.flock(1, fcntl.LOCK_EX | fcntl.LOCK_NB), None),
        "getrlimit": (resource.getrlimit(resource.RLIMIT_NOFILE), (-1, -1)),
        "cpu_count": (multiprocessing.cpu_count() >= 1, True),
        "ThreadPool": (multiprocessing.pool.ThreadPool(4).map(abs, [-1, -2]), [1, 2]),
    }
    return wrong + [[name, repr(found)] for name, (found, wanted) in works.items() if found != wanted]
