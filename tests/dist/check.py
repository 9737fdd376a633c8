#!/usr/bin/env python3
"""Installs what `make dist` made in new roots of Debian, without a compiler, as docs/install.md says, and starts it.

    archive    a user unpacks it and runs a script; the server starts and runs another
    package    it is installed, upgraded, removed and purged; data and settings stay as long as they should
    systemd    the service runs scripts under its hardened unit, and the sandboxes have all their locks
    image      an unprivileged user starts it with crun, on a read-only root
    chart      Helm and the schemas of Kubernetes find no fault with it

Each begins in a root that nothing else was done in. Their network has the loopback device and nothing else. Root is needed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import containers
from roots import SUITES, Root

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
# How long it may take from the download to the end of the first script.
FIRST_RUN = 60.0
# How long the first start of a server may take.
FIRST_START = 1.0


def blocks(heading: str) -> list[str]:
    """The commands of docs/install.md below a heading, block by block."""
    text = (PROJECT / "docs/install.md").read_text()
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = []
    for block in part.split("```console")[1:]:
        lines = block.partition("\n")[2].split("```")[0].splitlines()
        found.append("\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ ")))
    return found


def archive(root: Root, dist: Path) -> None:
    """The archive, for a user without rights."""
    root.run("useradd --create-home tester")
    root.give(dist, ["SHA256SUMS", "*-linux.tar.zst"], "home/tester")
    root.run("chown -R tester: /home/tester")
    began = time.monotonic()
    said = root.run(f"cd /home/tester\n{blocks('From the archive')[0]}", user="tester")
    took = time.monotonic() - began
    assert "\n42\n" in said, said
    assert "PROBLEM" not in said and "MISSING" not in said, said
    assert took < FIRST_RUN, f"{took:.1f} s"
    print(f"   sums, first script and doctor: {took:.1f} s")
    root.run("cd /home/tester/cronbox-*-linux && sha256sum --quiet --check SHA256SUMS")
    # Another user's cache is empty: this is a first start.
    root.run("useradd --create-home other && cp -r /home/tester/cronbox-*-linux /opt/cronbox")
    said = root.run(f"cd\n{(HERE / 'serve.sh').read_text()}\nfirst_start /opt/cronbox/cronbox serve", user="other")
    assert "compiling" not in said, said
    print(f"   {starts_in_time(said)}")
    # Machine code that others can write to is not trusted, and the program goes on without it.
    root.run("chmod o+w /opt/cronbox/interpreter && rm -rf /home/other/.cache")
    said = root.run("cd && /opt/cronbox/cronbox run /home/other/answer.py", user="other")
    assert "others may write to it" in said and "\n42\n" in said, said
    # Completions and manual pages are what shells and `man` read.
    root.run("bash -n /opt/cronbox/completions/cronbox.bash")
    root.run("test -s /opt/cronbox/man/cronbox.1 && grep -q '^.TH cronbox-serve 1' /opt/cronbox/man/cronbox-serve.1")


def starts_in_time(said: str) -> str:
    """How long the server took for its first start, which must be little."""
    line = next(line for line in said.splitlines() if line.startswith("first start: "))
    assert float(line.split()[2]) < FIRST_START, line
    return line


def package(root: Root, dist: Path) -> None:
    """The Debian package."""
    deb = next(dist.glob("*.deb"))
    root.give(dist, [deb.name], "root")
    began = time.monotonic()
    # The root has no sudo, and this is root.
    root.run(f"sudo() {{ \"$@\"; }}\ncd /root\n{blocks('As a Debian package')[0]}")
    helper = (HERE / "serve.sh").read_text()
    serve = "/usr/bin/cronbox serve --config /etc/cronbox/cronbox.toml"
    said = root.run(f"{helper}\ncd /tmp; first_start {serve}", user="cronbox")
    took = time.monotonic() - began
    assert took < FIRST_RUN, f"{took:.1f} s"
    print(f"   from the package to the first result: {took:.1f} s; {starts_in_time(said)}")
    assert root.run("stat -c '%U %a' /var/lib/cronbox /etc/default/cronbox").split() == ["cronbox", "700", "root", "600"]
    assert root.run("cat /var/lib/dpkg/info/cronbox.md5sums | (cd / && md5sum --check --quiet -)") == ""
    root.run("zcat /usr/share/man/man1/cronbox.1.gz | grep -q '^.TH cronbox 1'")

    # An upgrade keeps what the administrator wrote, and the data.
    root.run("sed -i 's/^#timezone = .*/timezone = \"Asia\\/Shanghai\"/' /etc/cronbox/cronbox.toml")
    root.run(
        "cd /root && dpkg-deb -R cronbox_*.deb next && sed -i 's/^Version: .*/&+next/' next/DEBIAN/control"
        " && dpkg-deb --root-owner-group -Zzstd -z1 -b next next.deb >/dev/null && apt-get install -y ./next.deb"
    )
    again = root.run(f"{helper}\ncd /tmp; again {serve}", user="cronbox")
    assert "answer" in again and "Asia/Shanghai" in again, again
    root.run("apt-get remove -y cronbox")
    root.run("test ! -e /usr/bin/cronbox && test ! -e /usr/lib/cronbox && test -s /var/lib/cronbox/cronbox.db")
    root.run("test -e /etc/cronbox/cronbox.toml && test -e /etc/default/cronbox")
    root.run("cd /root && apt-get install -y ./next.deb")
    again = root.run(f"{helper}\ncd /tmp; again {serve}", user="cronbox")
    assert "answer" in again, again
    root.run("apt-get purge -y cronbox")
    for path in ["/var/lib/cronbox", "/var/cache/cronbox", "/etc/cronbox/cronbox.toml", "/etc/default/cronbox", "/usr/lib/cronbox"]:
        root.run(f"test ! -e {path}")
    print("   upgraded, removed and installed again with its data, purged")


def systemd(root: Root, dist: Path) -> None:
    """The service under systemd, with every line of its unit in force."""
    root.give(dist, ["*.deb"], "root")
    root.run("cd /root && apt-get install -y ./cronbox_*_amd64.deb")
    said = containers.boot(root, (HERE / "service.sh").read_text())
    for needed in ["active", "\n42\n", "hardening: all measures in force", "User=cronbox", "kept: answer"]:
        assert needed in said, f"{needed!r} is not in\n{said}"
    print(f"   {next(line for line in said.splitlines() if 'exposure' in line).strip('→ ')}")


def image(root: Root, dist: Path) -> None:
    """The image, started by a user without rights."""
    del root
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        container = containers.Container(Path(folder), next(dist.glob("*-oci.tar")))
        began = time.monotonic()
        container.start()
        try:
            container.wait_until_ready()
            print(f"   answers after {time.monotonic() - began:.1f} s")
            token = container.tell("token", "create", "me", "--scope", "admin", "--database", "sqlite:/var/lib/cronbox/cronbox.db")
            container.token = next(word for word in token.split() if word.startswith("cbx_"))
            said = container.tell("run", "--remote", "-", stdin="def run(n=6):\n    return n * 7\n")
            assert "42" in said, said
            ready = container.read("/readyz")
            assert '"ready":true' in ready.replace(" ", ""), ready
            try:
                raise ValueError(container.tell("man", "--dir", "/usr/lib/cronbox/man"))
            except AssertionError as error:
                assert "Read-only file system" in str(error), error
        finally:
            said = container.stop()
        assert "compiling" not in said, said


def chart(root: Root, dist: Path) -> None:
    """The chart."""
    del root, dist
    sys.path.insert(0, str(PROJECT / ".ci/dist"))
    import charts

    charts.main()
    print(f"   rendered {len(charts.CASES)} ways, for Kubernetes {' and '.join(charts.KUBERNETES)}")


def main() -> None:
    """Runs every check, or those that are named."""
    checks: list[tuple[Callable[[Root, Path], None], list[str]]] = [
        (chart, ["host"]),
        (archive, list(SUITES)),
        (package, list(SUITES)),
        # Newer releases of systemd need control groups of version 2, which this machine need not have.
        (systemd, ["bookworm"]),
        (image, ["host"]),
    ]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", type=Path, required=True, help="the folder of Cargo's builds")
    parser.add_argument("names", nargs="*", choices=[[], *(check.__name__ for check, _ in checks)], help="checks to run")
    arguments = parser.parse_args()
    target = arguments.target.resolve()
    dist = target / "dist"
    if not list(dist.glob("*.deb")):
        sys.exit("there is nothing to check: run make dist first")
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=dist, check=True)
    passed = 0
    for check, suites in checks:
        for suite in suites:
            if arguments.names and check.__name__ not in arguments.names:
                continue
            place = f"Debian {SUITES[suite]}" if suite in SUITES else "this machine"
            print(f"{check.__name__} on {place}: {check.__doc__}", flush=True)
            folder = Path(tempfile.mkdtemp(prefix="cronbox-dist-", dir="/var/tmp"))
            try:
                check(Root(folder, suite, target / "dist-roots"), dist)
            finally:
                shutil.rmtree(folder)
            passed += 1
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
