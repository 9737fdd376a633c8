# expect: failed error=OSError message='timeout'
# Case A15: no signal reaches a sandbox; the error says what to use instead of an alarm.
import signal


def run():
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.alarm(5)
