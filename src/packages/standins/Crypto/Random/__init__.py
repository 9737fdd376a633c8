"""Random bytes."""

import os

__all__ = ["get_random_bytes", "new"]

get_random_bytes = os.urandom


class _Reader:
    def read(self, n):
        return os.urandom(n)

    def flush(self):
        pass

    def close(self):
        pass


def new(*args, **kwargs):
    return _Reader()


def atfork():
    pass
