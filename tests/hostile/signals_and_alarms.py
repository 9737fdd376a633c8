# expect: succeeded result='"refused"' memory=64MiB timeout=3s fuel=4e9
# Handlers may be set; nothing outside can be signalled, and no alarm interrupts the host.
import signal


def run():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("sigwait", "pthread_kill"):
        assert not hasattr(signal, name), name
    for call in (lambda: signal.alarm(1), lambda: signal.setitimer(0, 1), lambda: signal.pause()):
        try:
            call()
            return "it worked"
        except OSError:
            pass
    return "refused"
