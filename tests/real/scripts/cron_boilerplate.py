# expect: succeeded stdout='lock taken' stdout='备份完成 100%' stdout='cleaned up' argv='-v --days=3 /tmp' stdout="options: [('-v', ''), ('--days', '3')] ['/tmp']" stderr='DeprecationWarning: old'
#!/usr/bin/python3
# -*- coding: utf-8 -*-
# the same head on all our cron jobs
import atexit, errno, fcntl, getopt, io, locale, os, resource, signal, socket, ssl, sys, tempfile, time, traceback, warnings

sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8', errors='replace', line_buffering=True)
sys.stderr.reconfigure(errors='backslashreplace')
socket.setdefaulttimeout(30)
ssl._create_default_https_context = ssl._create_unverified_context
os.environ['PATH'] = '/usr/local/bin:' + os.environ.get('PATH', '')
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
try:
    locale.setlocale(locale.LC_ALL, 'zh_CN.UTF-8')
except:
    pass
warnings.simplefilter('default')

LOCK = '/tmp/.job.lock'
PID = os.path.join(tempfile.gettempdir(), 'job.pid')


def bye(signum=None, frame=None):
    if os.path.exists(PID):
        os.unlink(PID)
        print('cleaned up')
    if signum:
        sys.exit(128 + signum)


for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(s, bye)
atexit.register(bye)
os.umask(0o077)

lock = open(LOCK, 'a+')
try:
    fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
except (IOError, OSError) as e:
    if e.errno in (errno.EACCES, errno.EAGAIN):
        print('another one is running')
        sys.exit(0)
    raise
print('lock taken')
lock.write(str(os.getpid()) + '\n'); lock.flush(); os.fsync(lock.fileno())
fd = os.open(PID, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
os.write(fd, str(os.getpid()).encode()); os.close(fd)
assert oct(os.stat(LOCK).st_mode & 0o777) == '0o600', oct(os.stat(LOCK).st_mode)

opts, args = getopt.getopt(sys.argv[1:], 'v', ['days=', 'dry-run'])
print('options:', opts, args)
warnings.warn('old', DeprecationWarning)
for i in range(0, 101, 50):
    sys.stdout.write('\r备份完成 %d%%' % i)
    sys.stdout.flush()
print()
try:
    1 / 0
except Exception:
    traceback.print_exc(limit=1, file=sys.stdout)
print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 'cpu %.2f' % time.process_time())
fcntl.flock(lock, fcntl.LOCK_UN)
lock.close()
