"""What is in the program: every component with its licence, from the lists that the build itself goes by."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TARGET = "x86_64-unknown-linux-gnu"
# Files with the text of a licence.
LICENCE_FILE = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)

APACHE = (ROOT / "LICENSE").read_text()
SQLITE = """The author disclaims copyright to this source code. In place of a legal notice, here is a blessing:

   May you do good and not evil.
   May you find forgiveness for yourself and forgive others.
   May you share freely, never taking more than you give.
"""
ZLIB = """Copyright (C) 1995-2025 Jean-loup Gailly and Mark Adler

This software is provided 'as-is', without any express or implied warranty. In no event will the authors be held liable for any
damages arising from the use of this software.

Permission is granted to anyone to use this software for any purpose, including commercial applications, and to alter it and
redistribute it freely, subject to the following restrictions:

1. The origin of this software must not be misrepresented; you must not claim that you wrote the original software. If you use
   this software in a product, an acknowledgment in the product documentation would be appreciated but is not required.
2. Altered source versions must be plainly marked as such, and must not be misrepresented as being the original software.
3. This notice may not be removed or altered from any source distribution.
"""
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
MUSL = "Parts of musl: Copyright (c) 2005-2020 Rich Felker, et al.\n\n" + MIT


@dataclass
class Component:
    """A part of the program."""

    purl: str
    name: str
    version: str
    licence: str
    texts: list[str] = field(default_factory=list)
    hashes: list[tuple[str, str]] = field(default_factory=list)
    depends: list[str] = field(default_factory=list)
    authors: str = ""

    @property
    def shown(self) -> str:
        """The component for people."""
        return f"{self.name} {self.version}".strip()


def everything(uv: Path) -> list[Component]:
    """All components, sorted. `uv` is the environment that the resolver of packages came in."""
    found = [*crates(), *page(), *guest(), *resolver(uv), *bundled()]
    for component in found:
        if not component.texts:
            component.texts = standard_texts(component)
    return sorted(found, key=lambda component: component.purl)


def standard_texts(component: Component) -> list[str]:
    """The texts of a licence whose component came without one."""
    if "Apache-2.0" in component.licence:
        return [APACHE]
    if "MIT" in component.licence:
        return [f"Copyright (c) {component.authors or 'the authors of ' + component.name}\n\n{MIT}"]
    if "Zlib" in component.licence:
        return [ZLIB]
    raise ValueError(f"{component.shown} has the licence {component.licence!r}, and no text of it is at hand")


def crates() -> Iterator[Component]:
    """The crates that are linked into the program, and macros that wrote parts of it."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in locked("Cargo.lock")["package"]}

    def linked(node: dict[str, Any]) -> list[str]:
        return [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]

    tree = ["cargo", "tree", "--locked", "--package", "cronbox", "--edges", "normal", "--target", TARGET]
    tree += ["--prefix", "none", "--format", "{p}"]
    lines = subprocess.run(tree, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    # `cargo metadata` also names crates whose features are off. A line is `name vVERSION (where it is from)`.
    used = {tuple(line.split()[:2]) for line in lines if line.strip()}
    reached = {identity for identity, package in packages.items() if (package["name"], "v" + package["version"]) in used}
    for identity in reached:
        package = packages[identity]
        checksum = checksums[package["name"], package["version"]]
        yield Component(
            purl=crate_purl(package),
            name=package["name"],
            version=package["version"],
            licence=re.sub(r"\s*/\s*", " OR ", package["license"] or ""),
            texts=texts(Path(package["manifest_path"]).parent),
            hashes=[("SHA-256", checksum)] if checksum else [],
            depends=sorted(crate_purl(packages[other]) for other in linked(nodes[identity]) if other in reached),
            authors=", ".join(package["authors"]),
        )


def crate_purl(package: dict[str, Any]) -> str:
    """The package URL of a crate."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def page() -> Iterator[Component]:
    """The packages that the page is built of."""
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if not path or package.get("dev") or package.get("devOptional"):
            continue
        folder = ROOT / "web" / path
        if package.get("optional") and not folder.is_dir():
            continue
        name = path.rpartition("node_modules/")[2]
        digest = base64.b64decode(package["integrity"].removeprefix("sha512-")).hex()
        yield Component(
            purl=f"pkg:npm/{name.replace('@', '%40')}@{package['version']}",
            name=name,
            version=package["version"],
            licence=package.get("license") or json.loads((folder / "package.json").read_text())["license"],
            texts=texts(folder),
            hashes=[("SHA-512", digest)],
        )


def guest() -> Iterator[Component]:
    """The interpreter that scripts run in."""
    versions = json.loads((ROOT / "python-wasm/out/python.json").read_text())["versions"]
    site = next((ROOT / "python-wasm/out/venv/lib").glob("python3*/site-packages"))
    # CPython's licence is also that of typing_extensions, which is in this environment; no package has CPython itself.
    python = next(Path(sys.prefix).glob("lib/python3*/site-packages/typing_extensions-*.dist-info/licenses"))
    yield Component(f"pkg:generic/cpython@{versions['cpython']}", "cpython", versions["cpython"], "PSF-2.0", texts(python))
    for name, licence in [("componentize-py", "Apache-2.0 WITH LLVM-exception"), ("tzdata", "Apache-2.0")]:
        folder = site / f"{name.replace('-', '_')}-{versions[name]}.dist-info/licenses"
        yield Component(f"pkg:pypi/{name}@{versions[name]}", name, versions[name], licence, texts(folder, deep=True))
    # What componentize-py links CPython with; it does not say which versions.
    yield Component("pkg:generic/wasi-libc", "wasi-libc", "", "Apache-2.0 WITH LLVM-exception AND MIT", [APACHE, MUSL])
    yield Component("pkg:generic/zlib", "zlib", "", "Zlib", [ZLIB])


def resolver(environment: Path) -> Iterator[Component]:
    """The program that chooses versions of packages; its own bill of materials is beside that of the whole."""
    info = next(environment.glob("lib/python3*/site-packages/uv-*.dist-info"))
    version = info.name.removeprefix("uv-").removesuffix(".dist-info")
    yield Component(f"pkg:pypi/uv@{version}", "uv", version, "MIT OR Apache-2.0", texts(info / "licenses"))


def foreign_bills(environment: Path) -> Iterator[tuple[str, Path]]:
    """The bills of materials that other programs came with."""
    yield "uv", next(environment.glob("lib/python3*/site-packages/uv-*.dist-info/sboms/*.json"))
    yield "componentize-py", next((ROOT / "python-wasm/out/venv").glob("lib/python3*/site-packages/componentize_py-*/sboms/*.json"))


def bundled() -> Iterator[Component]:
    """Sources that crates bring with them, and that have a licence of their own."""
    header = source(f"libsqlite3-sys-{version_of('libsqlite3-sys')}") / "sqlite3/sqlite3.h"
    version = re.search(r'#define SQLITE_VERSION\s+"([^"]+)"', header.read_text())
    assert version is not None, header
    yield Component(f"pkg:generic/sqlite@{version[1]}", "sqlite", version[1], "blessing", [SQLITE])
    yield Component("pkg:generic/swagger-ui", "swagger-ui", "", "Apache-2.0", [APACHE])


def source(crate: str) -> Path:
    """Where Cargo keeps the source of a crate."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    return next(home.glob(f"registry/src/*/{crate}"))


def version_of(crate: str) -> str:
    """The version of a crate in the lock file."""
    return next(package["version"] for package in locked("Cargo.lock")["package"] if package["name"] == crate)


def locked(name: str) -> dict[str, Any]:
    """A TOML file of the project."""
    return tomllib.loads((ROOT / name).read_text())


def texts(folder: Path, deep: bool = False) -> list[str]:
    """The texts of licences in a folder."""
    if not folder.is_dir():
        return []
    paths = folder.rglob("*") if deep else folder.iterdir()
    files = sorted(path for path in paths if path.is_file() and LICENCE_FILE.match(path.name))
    found = [path.read_text(errors="replace") for path in files]
    # Some packages have a link there that was packed as a file: its text is a path.
    return [text for text in found if len(text.split()) > 1]
