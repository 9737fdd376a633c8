"""Roots of Debian releases, without a compiler."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

# The releases that the program must run on.
SUITES = {"bookworm": "12", "trixie": "13"}
# Beyond the least that a release is: what a package of a service depends on, and what unpacks the archive.
PACKAGES = "adduser,ca-certificates,dbus,init-system-helpers,systemd,systemd-sysv,zstd"


class Root:
    """A root of its own, in a folder; none for a check that needs none."""

    def __init__(self, folder: Path, suite: str, kept: Path) -> None:
        self.folder = folder / "root"
        if suite in SUITES:
            self.folder.mkdir(mode=0o755)
            subprocess.run(["tar", "--extract", "--file", packed(suite, kept), "--directory", self.folder], check=True)
            assert self.run("command -v cc gcc rustc python3 || true") == "", "the root has a compiler"

    def give(self, source: Path, patterns: list[str], into: str) -> None:
        """Copies files into the root."""
        for pattern in patterns:
            for path in source.glob(pattern):
                (self.folder / into / path.name).write_bytes(path.read_bytes())

    def run(self, script: str, user: str = "root") -> str:
        """Runs a script of the shell in the root, in which every command must work, and returns what it wrote."""
        (self.folder / "tmp/script").write_text(f"set -e\nexec 2>&1\n{script}\n")
        outer = (
            "set -e; ip link set lo up; cd $0; mount -t proc proc proc; mount --rbind /dev dev; mount -t tmpfs none run;"
            ' exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8'
            ' setpriv --reuid "$1" --regid "$1" --init-groups env HOME="$2" sh /tmp/script'
        )
        home = "/root" if user == "root" else f"/home/{user}" if (self.folder / f"home/{user}").exists() else "/nonexistent"
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "sh", "-c", outer, self.folder, user, home]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              text=True, timeout=300)
        if done.returncode != 0:
            raise AssertionError(f"{script}\nended with {done.returncode} as {user}:\n{done.stdout}")
        return done.stdout


def packed(suite: str, kept: Path) -> Path:
    """The root of a release as debootstrap makes it, which is kept."""
    path = kept / f"{suite}.tar"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, f"{folder}/root"]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                raise AssertionError(f"debootstrap ended with {done.returncode}:\n{done.stdout[-2000:]}")
            new = path.with_suffix(".new")
            subprocess.run(["tar", "--create", "--file", new, "--directory", f"{folder}/root", "."], check=True)
            new.rename(path)
    return path
