# expect: succeeded result='[0, 4, 4, 5, "OSError", true, "cr--r--r--", "out"]' stdout='to standard output' stderr='to standard error'
# Case A8: the devices that programs expect.
import contextlib
import os
import stat


def run():
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
        print("not seen")
    with open("/dev/stdout", "w") as out:
        out.write("to standard output\n")
    with open("/dev/stderr", "a") as err:
        print("to standard error", file=err)
    with open("/dev/null", "rb") as file:
        nothing = len(file.read())
    with open("/dev/zero", "rb") as file:
        zeros = len(file.read(4))
    with open("/dev/urandom", "rb") as file:
        random, again = file.read(4), file.read(4)
    with open(os.devnull, "r+b", buffering=0) as file:
        taken = file.write(b"12345")
    try:
        with open("/dev/full", "w") as file:
            file.write("x")
        full = None
    except OSError as error:
        full = type(error).__name__
    mode = stat.filemode(os.stat("/dev/null").st_mode)
    return [nothing, zeros, len(random), taken, full, random != again, mode.replace("w", "-"), "out"]
