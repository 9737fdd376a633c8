"""The builtins as they were when the interpreter was built.

A script may patch `builtins.len` or replace `builtins.isinstance`, and its run must still be reported. Functions look
builtins up in the `__builtins__` of the module that defines them, so every module of the harness starts with
`from .kept import __builtins__`, which gives all functions defined after it this private copy.
"""

import builtins

__builtins__ = dict(vars(builtins))
