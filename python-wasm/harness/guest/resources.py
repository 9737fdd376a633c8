"""`importlib.resources` for packages whose files are in the interpreter's memory (the time zone database)."""

from .kept import __builtins__

import io
from importlib.resources.abc import Traversable, TraversableResources


class File(Traversable):
    """One file or folder of a package. A folder is a prefix of the names of files."""

    def __init__(self, data, path):
        self._data = data
        self._path = path

    @property
    def name(self):
        return self._path.rpartition("/")[2]

    def is_file(self):
        return self._path in self._data

    def is_dir(self):
        return any(path.startswith(self._path + "/") for path in self._data)

    def iterdir(self):
        start = len(self._path) + 1
        below = {path[start:].partition("/")[0] for path in self._data if path.startswith(self._path + "/")}
        return (File(self._data, f"{self._path}/{name}") for name in sorted(below))

    def joinpath(self, *parts):
        path = self._path
        for part in "/".join(str(part) for part in parts).split("/"):
            if part not in ("", "."):
                path = f"{path}/{part}"
        return File(self._data, path)

    __truediv__ = joinpath

    def open(self, mode="r", *args, **kwargs):
        if self._path not in self._data:
            raise FileNotFoundError(2, "No such file or directory", self._path)
        stream = io.BytesIO(self._data[self._path])
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)

    def read_bytes(self):
        with self.open("rb") as stream:
            return stream.read()

    def read_text(self, encoding=None, errors=None):
        with self.open("r", encoding=encoding, errors=errors) as stream:
            return stream.read()

    def __repr__(self):
        return f"<{self._path} in the interpreter>"


class Reader(TraversableResources):
    """All files of one package."""

    def __init__(self, data, folder):
        self._root = File(data, folder)

    def files(self):
        return self._root
