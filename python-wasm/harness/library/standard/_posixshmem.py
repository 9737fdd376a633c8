"""Memory that processes share, of which a sandbox has none."""

import _refused

_refused.functions(globals(), "shm_open shm_unlink", "a sandbox is one process; use a bytearray")
