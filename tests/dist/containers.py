"""Booted roots and started images."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from roots import Root

# A user that owns nothing on this machine.
NOBODY = 65534
# The user of the image.
USER = 65532


def boot(root: Root, script: str) -> str:
    """Boots a root, runs a script in it as root, shuts it down, and returns what the script wrote."""
    (root.folder / "check.sh").write_text(f"exec >/check.log 2>&1\n{script}\n")
    (root.folder / "etc/systemd/system/check.service").write_text(
        "[Unit]\nAfter=network.target cronbox.service\n[Service]\nType=oneshot\nExecStart=/bin/bash /check.sh\n"
        "ExecStopPost=/bin/systemctl poweroff --no-block\n[Install]\nWantedBy=multi-user.target\n"
    )
    root.run("systemctl enable check.service")
    command = ["systemd-nspawn", f"--directory={root.folder}", "--boot", "--register=no", "--keep-unit"]
    command += ["--private-network", "--console=pipe"]
    # systemd-nspawn has a filter of its own, which older releases of it made before the kernel had these.
    command += ["--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=180)
    return (root.folder / "check.log").read_text()


class Container:
    """The image, unpacked by umoci and started by crun as a user without rights."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self.folder = folder
        self.token = ""
        layout, self.bundle = folder / "layout", folder / "bundle"
        layout.mkdir()
        for path in [folder, layout]:
            os.chown(path, NOBODY, NOBODY)
        subprocess.run(["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", layout], check=True)
        version = json.loads((layout / "index.json").read_text())["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
        self.as_nobody("umoci", "unpack", "--rootless", "--image", f"{layout}:{version}", str(self.bundle))
        config: dict[str, Any] = json.loads((self.bundle / "config.json").read_text())
        assert config["process"]["user"] == {"uid": USER, "gid": USER}, config["process"]["user"]
        data = folder / "data"
        data.mkdir(mode=0o700)
        os.chown(data, NOBODY, NOBODY)
        config["root"]["readonly"] = True
        config["process"].update(terminal=False, noNewPrivileges=True, capabilities={})
        config["mounts"].append({"destination": "/var/lib/cronbox", "type": "bind", "source": str(data), "options": ["bind", "rw"]})
        config["linux"]["uidMappings"] = [{"containerID": USER, "hostID": NOBODY, "size": 1}]
        config["linux"]["gidMappings"] = [{"containerID": USER, "hostID": NOBODY, "size": 1}]
        config["linux"].pop("resources", None)
        # The network of this machine: a user without rights can make none.
        config["linux"]["namespaces"] = [space for space in config["linux"]["namespaces"] if space["type"] != "network"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        variables = [name for name in config["process"]["env"] if not name.startswith("CRONBOX_LISTEN=")]
        config["process"]["env"] = [*variables, f"CRONBOX_LISTEN=0.0.0.0:{self.port}"]
        (self.bundle / "config.json").write_text(json.dumps(config))

    def for_nobody(self, command: tuple[str, ...]) -> dict[str, Any]:
        """How a command is started as a user without rights, who has a folder for the runner's state."""
        # Without control groups: the user has none, and crun takes those of two versions at once for an error.
        outer = 'mount -t tmpfs none /sys/fs/cgroup; exec setpriv --reuid "$0" --regid "$0" --clear-groups --no-new-privs "$@"'
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(self.folder), "HOME": str(self.folder)}
        return {"args": ["unshare", "--mount", "sh", "-c", outer, str(NOBODY), *command], "env": environment, "cwd": self.folder}

    def as_nobody(self, *command: str, stdin: str | None = None) -> str:
        """Runs a command as a user without rights."""
        done = subprocess.run(**self.for_nobody(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              input=stdin, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def start(self) -> None:
        """Starts the container."""
        self.said = open(self.folder / "said", "w+b")
        command = ("crun", "--cgroup-manager=disabled", "run", "--bundle", str(self.bundle), "cronbox-check")
        self.process = subprocess.Popen(**self.for_nobody(command), stdout=self.said, stderr=self.said,
                                        stdin=subprocess.DEVNULL)

    def tell(self, *words: str, stdin: str | None = None) -> str:
        """Runs the program once more in the container."""
        variables = [f"CRONBOX_TOKEN={self.token}", f"CRONBOX_URL=http://127.0.0.1:{self.port}"]
        command = ["crun", "--cgroup-manager=disabled", "exec", "--user", f"{USER}:{USER}"]
        command += [word for name in variables for word in ("--env", name)]
        return self.as_nobody(*command, "cronbox-check", "/usr/bin/cronbox", *words, stdin=stdin)

    def wait_until_ready(self) -> None:
        """Waits until the server answers."""
        until = time.monotonic() + 60
        while True:
            try:
                self.read("/readyz")
                return
            except OSError as error:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise AssertionError(f"the container does not answer ({error}):\n{self.stop()}") from error
                time.sleep(0.02)

    def read(self, path: str) -> str:
        """What the server answers."""
        return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10).read().decode()

    def stop(self) -> str:
        """Ends the container, and returns what it wrote."""
        if self.process.poll() is None:
            self.as_nobody("crun", "kill", "cronbox-check", "TERM")
            self.process.wait(timeout=60)
        self.said.seek(0)
        return self.said.read().decode()
