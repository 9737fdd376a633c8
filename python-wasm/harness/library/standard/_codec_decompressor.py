"""What the decompressors written in Python share: output that waits, and input that was not read yet."""

from _thread import allocate_lock
from operator import index


class Decompressor:
    """A decompressor that takes its input in pieces of any size, and gives no more output than is asked for.

    A class on it begins with _begin(), and says what its errors are (_ERRORS, _ENDED), how input comes to its steps
    (_accept, _more), and what of it is left behind the end (_rest). A step is bytes, or None where input is missing.
    """

    def _begin(self, steps):
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._pending = b""     # decoded, but more than the caller asked for
        self._given = 0
        self._error = None
        self._steps = steps
        self._lock = allocate_lock()

    def _more(self):
        """Give the steps more of the input that was accepted; whether there was any."""
        return False

    def _refuse(self):
        """Say that nothing comes after an error."""
        raise self._error

    def decompress(self, data, max_length=-1):
        """Take more input and return output, at most max_length bytes of it unless that is negative.

        While more output waits, needs_input is False and the next call may be given b"".
        """
        if not isinstance(data, bytes):
            data = memoryview(data).tobytes()
        wanted = index(max_length)
        with self._lock:
            if self.eof:
                raise EOFError(self._ENDED)
            if self._error is not None:
                self._refuse()
            if data:
                self._accept(data)
            return self._collect(None if wanted < 0 else wanted)

    def _collect(self, wanted):
        parts = []
        needs_input = False
        while wanted is None or wanted > 0:
            if self._given < len(self._pending):
                end = len(self._pending) if wanted is None else self._given + wanted
                part = self._pending[self._given:end]
                self._given += len(part)
                parts.append(part)
                if wanted is not None:
                    wanted -= len(part)
                continue
            try:
                piece = next(self._steps)
            except StopIteration:
                self.eof = True
                self.unused_data = self._rest()
                self._pending = None
                break
            except self._ERRORS as error:
                self._error = error
                self.needs_input = False
                raise
            if piece is not None:
                self._pending = piece
                self._given = 0
            elif not self._more():
                needs_input = True
                break
        self.needs_input = needs_input
        return b"".join(parts)
