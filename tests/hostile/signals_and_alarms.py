# expect: succeeded result='"refused"' memory=64MiB timeout=3s fuel=4e9
# Handlers may be set; nothing outside can be signalled, and no alarm interrupts the host.
import signal


def run():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("alarm", "setitimer", "pause", "sigwait", "pthread_kill"):
        assert not hasattr(signal, name), name
    return "refused"
