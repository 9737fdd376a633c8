# expect: succeeded result='"nothing found"' memory=64MiB
# Every way to write a path that leaves the sandbox's own tree.
PATHS = """
/etc/passwd //etc/passwd /etc/passwd/ /tmp/../etc/passwd /app/../etc/passwd ../etc/passwd ../../etc/passwd
/tmp/../../etc/passwd /app/../../../../etc/shadow /./etc/./passwd /proc/self/environ /proc/self/maps /proc/self/mem
/proc/1/environ /proc/self/fd/0 /proc/self/root/etc/passwd /proc/self/cwd /sys/kernel /dev/mem /dev/null/.. /dev/null/x
/dev/fd/3 /dev/tty /dev/../etc/passwd /dev/kmsg /dev/sda /root /home /var/run/docker.sock /run /usr/lib /lib64 /python /world /bundled /0 /proc/cpuinfo
/tmp/a/../../../etc/hostname /tmp/./../etc/hosts /etc/resolv.conf C:\\Windows \\\\host\\share file:///etc/passwd ~root
/tmp%2f..%2fetc/passwd /tmp/..%00/etc/passwd /TMP/../etc/passwd /tmp\u2215..\u2215etc/passwd
""".split()


def run():
    import os

    for path in PATHS + ["/etc/passwd\x00.txt", "\x00", "/tmp/\x00/../../etc/passwd", "/tmp/../../../../../../etc/group"]:
        for attempt in (open, os.listdir, os.stat, os.scandir, os.readlink):
            try:
                attempt(path)
            except (OSError, ValueError):
                continue
            raise AssertionError(f"{attempt.__name__}({path!r}) found something")
    return "nothing found"
