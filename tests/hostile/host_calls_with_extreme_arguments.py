# expect: succeeded result='"alive"' fuel=40e9
# Every host call that a script can make, with arguments as they should not be: an answer or an exception, never the
# end of the process.
import io
import os
import select
import socket
import sys
import time

NUMBERS = (0, 1, -1, 2, 255, 1 << 15, (1 << 31) - 1, 1 << 31, -(1 << 31), (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 63) - 1,
           1 << 63, -(1 << 63), (1 << 64) - 1, 1 << 64, 1.5, -0.5, 1e-300, 1e300, float("inf"), float("nan"))
PATHS = ("", "/", ".", "..", "/tmp", "/tmp/file", "/tmp/file/", "/app", "/packages", "/output", "/tmp/none/none", "a\0b", "\udc80",
         "x" * 255, "x" * 256, "x" * 100_000, "../" * 2_000, "/dev/null", "/proc/self/mem", b"/tmp", b"\xff", 0, 3, 9999)


def attempt(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except (Exception, OverflowError):
        return None


def clocks():
    names = [name for name in dir(time) if name.startswith("CLOCK_")]
    for clock in [getattr(time, name) for name in names] + list(NUMBERS):
        for function in (time.clock_getres, time.clock_gettime, time.clock_gettime_ns):
            attempt(function, clock)
        if hasattr(time, "clock_settime"):
            attempt(time.clock_settime, clock, 0)
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time", "nothing"):
        attempt(time.get_clock_info, name)
    assert time.get_clock_info("time").resolution > 0
    for number in NUMBERS:
        if not (isinstance(number, (int, float)) and 1 < number):
            attempt(time.sleep, number)
        for function in (time.localtime, time.gmtime, time.ctime):
            attempt(function, number)


def descriptors():
    file = os.open("/tmp/file", os.O_RDWR | os.O_CREAT)
    folder = os.open("/tmp", os.O_RDONLY)
    one = [getattr(os, name, None) for name in (
        "fsync", "fdatasync", "fstat", "fstatvfs", "isatty", "get_inheritable", "fchdir", "listdir", "scandir", "ttyname",
        "tcgetpgrp", "get_terminal_size", "get_blocking", "fpathconf")]
    two = [getattr(os, name, None) for name in ("ftruncate", "read", "dup2", "set_inheritable", "set_blocking", "fchmod", "posix_fallocate")]
    for descriptor in (file, folder, 0, 1, 2, 3, *NUMBERS):
        for function in filter(None, one):
            attempt(function, descriptor)
        if descriptor in (1, 2):
            continue
        for number in NUMBERS:
            for function in filter(None, two):
                if function is not getattr(os, "dup2", None):
                    attempt(function, descriptor, number)
            for other in (0, 1, 2, 3, 9):
                attempt(os.lseek, descriptor, number, other)
            attempt(os.pread, descriptor, 10, number)
            attempt(os.pread, descriptor, number, 0) if not isinstance(number, int) or number < 1 << 20 else None
            attempt(os.pwrite, descriptor, b"x", number)
            attempt(os.posix_fadvise, descriptor, number, number, 0) if hasattr(os, "posix_fadvise") else None
            attempt(os.posix_fallocate, descriptor, number, 1) if hasattr(os, "posix_fallocate") else None
            attempt(os.utime, descriptor, (number, number))
            attempt(os.utime, "/tmp/file", ns=(number, number))
        attempt(os.readv, descriptor, [bytearray(8)] * 2_000) if hasattr(os, "readv") else None
        attempt(os.writev, descriptor, [b"x"] * 2_000) if hasattr(os, "writev") else None
    attempt(os.ftruncate, file, 0)
    for mode in ("r", "w", "a", "x", "r+b", "nonsense"):
        for number in NUMBERS:
            if not isinstance(number, int) or abs(number) < 1 << 32:
                attempt(lambda: open("/tmp/file", mode, buffering=number).close())
    attempt(io.FileIO, -5)


def paths():
    one = ("stat", "lstat", "listdir", "scandir", "readlink", "chdir", "rmdir", "unlink", "mkdir", "access", "statvfs", "truncate", "open")
    for path in PATHS:
        for name in one:
            function = getattr(os, name, None)
            if function is None:
                continue
            if name in ("access", "open"):
                for flags in NUMBERS:
                    opened = attempt(function, path, flags)
                    if name == "open" and opened is not None:
                        os.close(opened)
            elif name == "truncate":
                for number in NUMBERS:
                    attempt(function, path, number)
            else:
                attempt(function, path)
        for other in PATHS:
            for function in (os.rename, os.replace, os.link, os.symlink):
                attempt(function, path, other)
    os.chdir("/tmp")


def waiting():
    # Whatever the paths above have made of the others.
    file = os.open("/tmp/waiting", os.O_RDWR | os.O_CREAT)
    many = [file, 0, 1, 2] * 500
    for number in NUMBERS:
        attempt(select.select, [file], [file], [file], number) if not isinstance(number, float) or number < 2 else None
        attempt(select.select, [number], [], [], 0)
    attempt(select.select, many, many, many, 0)
    if hasattr(select, "poll"):
        poll = select.poll()
        for number in (file, 0, 1, 2, 77, *NUMBERS):
            attempt(poll.register, number, 0xFFFF)
        attempt(poll.poll, 0)


def entropy():
    for number in NUMBERS:
        if not isinstance(number, int) or number < 1 << 20:
            attempt(os.urandom, number)
            attempt(os.getrandom, number) if hasattr(os, "getrandom") else None


def sockets():
    for family in (socket.AF_INET, socket.AF_INET6, 99, -1):
        attempt(socket.socket, family, socket.SOCK_STREAM)
        attempt(socket.socket, family, socket.SOCK_DGRAM)
    for name in ("", "x" * 100_000, "a\0b", "localhost", "127.0.0.1", "\udc80", "é" * 200):
        attempt(socket.getaddrinfo, name, 80)
        attempt(socket.gethostbyname, name)


def doors():
    frame = sys._getframe()
    while frame is not None:
        host = frame.f_globals.get("host")
        if host is not None and hasattr(host, "_host"):
            break
        frame = frame.f_back
    host = host._host
    for text in ("", "x" * 100, "x" * 300_000, "\0", "é" * 1_000):
        attempt(host.call, text, text)
        attempt(host.allowed, text, 0)
        attempt(host.allowed, text, 65_535)
        attempt(host.Channel.open, text, 0)
    attempt(host.wait, [], 0)
    attempt(host.wait, [], 1)
    attempt(host.loaded, b"")
    attempt(host.loaded, b"x" * 100_000)


def run():
    for kind in (clocks, descriptors, paths, waiting, entropy, sockets, doors):
        kind()
    return "alive"
