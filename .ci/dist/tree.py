"""Files that are packed: a tree with modes, and nothing else that differs from one build to the next."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A file, a link or a folder."""

    mode: int
    content: bytes | None = None
    target: str | None = None


class Tree:
    """Files by their paths."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, path: str, content: bytes | str | Path, mode: int = 0o644) -> None:
        """Adds a file, with its content or with that of another file."""
        if isinstance(content, Path):
            content = content.read_bytes()
        elif isinstance(content, str):
            content = content.encode()
        self.entries[path] = Entry(mode, content=content)

    def add_folder(self, path: str, mode: int = 0o755) -> None:
        """Adds an empty folder."""
        self.entries[path] = Entry(mode)

    def add_link(self, path: str, target: str) -> None:
        """Adds a symbolic link."""
        self.entries[path] = Entry(0o777, target=target)

    def add_all(self, prefix: str, folder: Path, mode: int = 0o644) -> None:
        """Adds every file below a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.add(f"{prefix}{path.relative_to(folder)}", path, mode)

    def copy(self, path: str, other: Tree, source: str) -> None:
        """Adds the files of another tree below `source` (or the file `source`) as `path`."""
        found = {name: entry for name, entry in other.entries.items() if name == source or name.startswith(f"{source}/")}
        if not found:
            raise KeyError(source)
        for name, entry in found.items():
            self.entries[path + name.removeprefix(source)] = entry

    def sums(self) -> str:
        """The SHA-256 sums of the files, as `sha256sum --check` reads them."""
        files = ((path, entry.content) for path, entry in sorted(self.entries.items()) if entry.content is not None)
        return "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files)

    def tar(self, epoch: int, prefix: str = "") -> bytes:
        """The tree as a tar file: sorted, owned by root, every time the same."""
        everything = dict(self.entries)
        for path in self.entries:
            for parent in Path(path).parents:
                if str(parent) != "." and str(parent) not in everything:
                    everything[str(parent)] = Entry(0o755)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
            if prefix:
                everything[""] = Entry(0o755)
            for path, entry in sorted(everything.items()):
                info = tarfile.TarInfo((prefix + path).rstrip("/"))
                info.mode, info.mtime = entry.mode, epoch
                info.uname = info.gname = "root"
                if entry.target is not None:
                    info.type, info.linkname = tarfile.SYMTYPE, entry.target
                elif entry.content is None:
                    info.type = tarfile.DIRTYPE
                else:
                    info.size = len(entry.content)
                tar.addfile(info, io.BytesIO(entry.content or b""))
        return packed.getvalue()

    def write(self, folder: Path) -> None:
        """Writes the tree into a folder."""
        for path, entry in sorted(self.entries.items()):
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if entry.target is not None:
                place.symlink_to(entry.target)
            elif entry.content is None:
                place.mkdir(exist_ok=True)
                place.chmod(entry.mode)
            else:
                place.write_bytes(entry.content)
                place.chmod(entry.mode)


def gzipped(content: bytes) -> bytes:
    """A gzip file without a name and a time."""
    return gzip.compress(content, compresslevel=9, mtime=0)
