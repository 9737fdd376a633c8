"""mmap for a sandbox, whose files are in memory already: a map is a copy of the file, which `flush` and `close` write
back. The script may close the file before."""

import os

ACCESS_DEFAULT, ACCESS_READ, ACCESS_WRITE, ACCESS_COPY = range(4)
MAP_SHARED, MAP_PRIVATE, MAP_ANON, MAP_ANONYMOUS = 1, 2, 32, 32
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED = range(5)
PAGESIZE = ALLOCATIONGRANULARITY = 4096
error = OSError


def _opened_again(descriptor):
    """A descriptor of the map's own for the same file. WASI cannot duplicate one, so the file is looked for by its number;
    None if it has no name (any more)."""
    wanted = os.fstat(descriptor)
    for top in ("/tmp", "/output"):
        for folder, _, names in os.walk(top):
            for name in names:
                path = f"{folder}/{name}"
                if os.path.samestat(os.lstat(path), wanted):
                    return os.open(path, os.O_RDWR)
    return None


class mmap:
    """A part of a file, or of nothing (`fileno` -1), as bytes that can be changed."""

    def __new__(cls, *args, **kwargs):
        # A subclass may take other arguments.
        return super().__new__(cls)

    def __init__(
        self, fileno, length, flags=MAP_SHARED, prot=PROT_READ | PROT_WRITE, access=ACCESS_DEFAULT, offset=0, *, trackfd=True
    ):
        if length < 0:
            raise OverflowError("memory mapped length must be positive")
        if offset < 0:
            raise OverflowError("memory mapped offset must be positive")
        if access not in range(4):
            raise ValueError("mmap invalid access parameter.")
        self._descriptor = None
        self._at = 0
        self._offset = offset
        self._access = access
        self._read_only = access == ACCESS_READ or (access == ACCESS_DEFAULT and not prot & PROT_WRITE)
        self._kept = access == ACCESS_WRITE or (access == ACCESS_DEFAULT and flags & MAP_SHARED)
        if fileno == -1:
            self._data = bytearray(length)
            return
        size = os.fstat(fileno).st_size
        if length == 0:
            if size == 0:
                raise ValueError("cannot mmap an empty file")
            if offset >= size:
                raise ValueError("mmap offset is greater than file size")
            length = size - offset
        elif offset + length > size:
            raise ValueError("mmap length is greater than file size")
        self._data = bytearray(os.pread(fileno, length, offset))
        while len(self._data) < length and (more := os.pread(fileno, length - len(self._data), offset + len(self._data))):
            self._data += more
        if self._kept and not self._read_only:
            own = _opened_again(fileno)
            self._descriptor, self._is_own = (fileno, False) if own is None else (own, True)

    def _all(self):
        if self._data is None:
            raise ValueError("mmap closed or invalid")
        return self._data

    def _writable(self):
        if self._read_only:
            raise TypeError("mmap can't modify a readonly memory map.")
        return self._all()

    @property
    def closed(self):
        return self._data is None

    def close(self):
        if self._data is not None:
            try:
                self.flush()
            finally:
                self._data = None
                if self._descriptor is not None and self._is_own:
                    os.close(self._descriptor)

    def __del__(self):
        try:
            self.close()
        except (AttributeError, OSError):
            # It was never made, or the file was closed before.
            pass

    def __enter__(self):
        self._all()
        return self

    def __exit__(self, *failure):
        self.close()

    def flush(self, offset=0, size=None):
        data = self._all()
        end = len(data) if size is None else offset + size
        if offset < 0 or end > len(data):
            raise ValueError("flush values out of range")
        while self._descriptor is not None and offset < end:
            offset += os.pwrite(self._descriptor, data[offset:end], self._offset + offset)

    def madvise(self, option, start=0, length=None):
        self._all()

    def size(self):
        return len(self._all()) if self._descriptor is None else os.fstat(self._descriptor).st_size

    def resize(self, newsize):
        data = self._writable()
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, self._offset + newsize)
        if newsize < len(data):
            del data[newsize:]
        else:
            data += bytes(newsize - len(data))

    def tell(self):
        self._all()
        return self._at

    def seek(self, pos, whence=0):
        start = {0: 0, 1: self._at, 2: len(self._all())}.get(whence)
        if start is None:
            raise ValueError("unknown seek type")
        if not 0 <= start + pos <= len(self._data):
            raise ValueError("seek out of range")
        self._at = start + pos
        return self._at

    def seekable(self):
        return True

    def read(self, n=None):
        data = self._all()
        end = len(data) if n is None or n < 0 else min(self._at + n, len(data))
        found = bytes(data[self._at : end])
        self._at = max(self._at, end)
        return found

    def read_byte(self):
        found = self.read(1)
        if not found:
            raise ValueError("read byte out of range")
        return found[0]

    def readline(self):
        end = self._all().find(b"\n", self._at)
        return self.read(None if end < 0 else end + 1 - self._at)

    def write(self, data, /):
        view = memoryview(data).cast("B")
        data = self._writable()
        if self._at + len(view) > len(data):
            raise ValueError("data out of range")
        data[self._at : self._at + len(view)] = view
        self._at += len(view)
        return len(view)

    def write_byte(self, byte):
        self.write(bytes((byte,)))

    def move(self, dest, src, count):
        data = self._writable()
        if min(dest, src, count) < 0 or max(dest, src) + count > len(data):
            raise ValueError("source, destination, or count out of range")
        data[dest : dest + count] = data[src : src + count]

    def find(self, sub, start=None, end=None):
        data = self._all()
        return data.find(sub, self._at if start is None else start, len(data) if end is None else end)

    def rfind(self, sub, start=None, end=None):
        data = self._all()
        return data.rfind(sub, self._at if start is None else start, len(data) if end is None else end)

    def __len__(self):
        return len(self._all())

    def __getitem__(self, key):
        found = self._all()[key]
        return found if isinstance(found, int) else bytes(found)

    def __setitem__(self, key, value):
        data = self._writable()
        if isinstance(key, slice):
            value = bytes(value)
            if len(range(*key.indices(len(data)))) != len(value):
                raise IndexError("mmap slice assignment is wrong size")
        data[key] = value

    def __iter__(self):
        return iter(bytes((byte,)) for byte in self._all())

    def __contains__(self, value):
        return value in self._all()

    def __buffer__(self, flags):
        view = memoryview(self._all())
        return view.toreadonly() if self._read_only else view

    def __repr__(self):
        if self.closed:
            return "<mmap.mmap closed=True>"
        return f"<mmap.mmap closed=False, length={len(self._data)}, pos={self._at}, offset={self._offset}>"
