# expect: succeeded result='[]'
# The same for what is missed only when it is used.
import os
import subprocess


def processes():
    import multiprocessing

    multiprocessing.Process(target=print).start()


def run():
    poor = []
    for attempt in (lambda: subprocess.run(["ls"]), lambda: os.popen("ls"), processes):
        try:
            attempt()
            poor.append("it worked")
        except Exception as error:
            if len(str(error)) < 25:
                poor.append(f"{type(error).__name__}: {error}")
    return poor
