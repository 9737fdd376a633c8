"""The Debian package."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from components import ROOT
from tree import Tree, gzipped

FILES = ROOT / "docs/deploy/debian"
# Files that an administrator edits. An upgrade keeps them.
CONFIGURATION = ["/etc/cronbox/cronbox.toml", "/etc/default/cronbox"]


def installed(archive: Tree) -> Tree:
    """What the package installs, made of the archive's files."""
    tree = Tree()
    for part in ["cronbox", "uv", "interpreter"]:
        tree.copy(f"usr/lib/cronbox/{part}", archive, part)
    # The program looks for the others beside the file that the link leads to.
    tree.add_link("usr/bin/cronbox", "../lib/cronbox/cronbox")
    tree.copy("usr/share/bash-completion/completions/cronbox", archive, "completions/cronbox.bash")
    tree.copy("usr/share/zsh/vendor-completions/_cronbox", archive, "completions/_cronbox")
    tree.copy("usr/share/fish/vendor_completions.d/cronbox.fish", archive, "completions/cronbox.fish")
    for path, entry in archive.entries.items():
        if path.startswith("man/"):
            tree.add(f"usr/share/man/man1/{Path(path).name}.gz", gzipped(entry.content or b""))
    tree.copy("usr/lib/systemd/system/cronbox.service", archive, "cronbox.service")
    settings = archive.entries["cronbox.toml"].content or b""
    tree.add("etc/cronbox/cronbox.toml", for_package(settings.decode()))
    # It can hold the key of secrets.
    tree.add("etc/default/cronbox", FILES / "default", 0o600)
    doc = "usr/share/doc/cronbox"
    tree.copy(f"{doc}/copyright", archive, "LICENCES.txt")
    tree.copy(f"{doc}/LICENSE", archive, "LICENSE")
    tree.copy(f"{doc}/sbom", archive, "sbom")
    return tree


def for_package(settings: str) -> str:
    """The configuration file, with the places of the package set in it."""
    for name, value in [("data-dir", "/var/lib/cronbox"), ("interpreter-cache", "/var/cache/cronbox")]:
        lines = settings.splitlines()
        places = [number for number, line in enumerate(lines) if line.startswith(f"#{name} = ")]
        if len(places) != 1:
            raise ValueError(f"the configuration file has {len(places)} lines of {name}, and one is needed")
        lines[places[0]] = f'{name} = "{value}"'
        settings = "\n".join(lines) + "\n"
    return settings


def package(tree: Tree, version: str, glibc: tuple[int, int], epoch: int, into: Path) -> Path:
    """Writes the package."""
    size = sum(len(entry.content or b"") for entry in tree.entries.values()) // 1024
    control = Tree()
    text = (FILES / "control").read_text()
    text = text.format(version=version, glibc=f"{glibc[0]}.{glibc[1]}", size=size)
    control.add("control", text)
    control.add("conffiles", "".join(f"{path}\n" for path in CONFIGURATION))
    files = ((path, entry.content) for path, entry in sorted(tree.entries.items()) if entry.content is not None)
    control.add("md5sums", "".join(
        f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {path}\n" for path, content in files
        if f"/{path}" not in CONFIGURATION))
    for script in ["postinst", "prerm", "postrm"]:
        control.add(script, FILES / script, 0o755)
    path = into / f"cronbox_{version}_amd64.deb"
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / "package"
        staged.mkdir(mode=0o755)
        tree.write(staged)
        control.write(staged / "DEBIAN")
        for place in [staged, *staged.rglob("*")]:
            if place.is_dir():
                place.chmod(0o755)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
        command = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z12", "--build", str(staged), str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return path
