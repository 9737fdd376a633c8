#!/usr/bin/env python3
"""Packs the program: an archive, a Debian package, an image for container engines, and a Helm chart.

Everything in them is sorted, owned by root, and has the time of the commit. So two runs on one commit, with the same Rust, the
same Debian and the same folder, make the same bytes.

The archive has the machine code of the interpreter in it, so that the first start need not compile it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import bill
import charts
import components
import debian
import elf
import image
import zstandard
from components import ROOT, locked
from tree import Tree

COMPLETIONS = {"bash": "cronbox.bash", "zsh": "_cronbox", "fish": "cronbox.fish"}


def time_of_commit() -> int:
    """When the commit was made; SOURCE_DATE_EPOCH where there is no repository."""
    if named := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(named)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def archive(program: Path, uv: Path, environment: Path, version: str, epoch: int) -> Tree:
    """Everything that is in the archive."""
    tree = Tree()
    tree.add("cronbox", elf.stripped(program), 0o755)
    tree.add("uv", uv, 0o755)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # The stripped program makes the rest: what is packed is what was tried.
        own = folder / "cronbox"
        own.write_bytes(tree.entries["cronbox"].content or b"")
        own.chmod(0o755)

        def said(*words: str) -> bytes:
            return subprocess.run([own, *words], check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout

        said("compile", "--portable", str(folder / "interpreter"))
        tree.add_all("interpreter/", folder / "interpreter")
        try_machine_code(own, folder)
        said("man", "--dir", str(folder / "man"))
        tree.add_all("man/", folder / "man")
        for shell, name in COMPLETIONS.items():
            tree.add(f"completions/{name}", said("completions", shell))
        tree.add("cronbox.toml", said("config"))
    tree.add("cronbox.service", ROOT / "docs/deploy/cronbox.service")
    tree.add("LICENSE", ROOT / "LICENSE")
    tree.add("README.md", ROOT / "docs/install.md")
    found = components.everything(environment)
    tree.add("LICENCES.txt", bill.licences(found))
    tree.add("sbom/cronbox.cdx.json", bill.materials(version, epoch, found))
    for name, path in components.foreign_bills(environment):
        tree.add(f"sbom/{name}.cdx.json", path)
    tree.add("SHA256SUMS", tree.sums())
    return tree


def try_machine_code(program: Path, scratch: Path) -> None:
    """Runs a script with the machine code that is beside a program, and an empty cache."""
    (scratch / "answer.py").write_text("def run():\n    return 42\n")
    environment = {"HOME": str(scratch / "home"), "PATH": os.environ["PATH"]}
    done = subprocess.run([program, "run", scratch / "answer.py"], env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0 or "42" not in done.stdout.splitlines() or "compiling" in done.stdout:
        raise ValueError(f"the machine code is not used where it is shipped:\n{done.stdout}")


def main() -> None:
    """Makes everything."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", type=Path, required=True, help="the folder of Cargo's builds")
    target = parser.parse_args().target.resolve()
    version = locked("Cargo.toml")["workspace"]["package"]["version"]
    epoch = time_of_commit()
    charts.check(version)
    program, uv = target / "release/cronbox", target / "release/uv"
    glibc = max(elf.glibc(program), elf.glibc(uv))
    tree = archive(program, uv, target / "uv-venv", version, epoch)

    into = target / "dist"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    name = f"cronbox-{version}-x86_64-linux"
    packer = zstandard.ZstdCompressor(level=17, threads=4, write_content_size=True)
    (into / f"{name}.tar.zst").write_bytes(packer.compress(tree.tar(epoch, f"{name}/")))
    debian.package(debian.installed(tree), version, glibc, epoch, into)
    (into / f"cronbox-{version}-x86_64-oci.tar").write_bytes(image.image(image.layer(tree, [program, uv]), version, epoch))
    (into / f"cronbox-{version}-chart.tgz").write_bytes(charts.packed(epoch))
    (into / f"cronbox-{version}-kubernetes.yaml").write_text(charts.rendered({}))
    (into / f"cronbox-{version}.cdx.json").write_bytes(tree.entries["sbom/cronbox.cdx.json"].content or b"")
    made = sorted(into.iterdir())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made]
    (into / "SHA256SUMS").write_text("".join(sums))
    for path in made:
        print(f"{path.stat().st_size / 1e6:8.1f} MB  {path}")
    print(f"needs glibc {glibc[0]}.{glibc[1]}")


if __name__ == "__main__":
    main()
