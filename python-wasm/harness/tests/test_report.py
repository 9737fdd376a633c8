import support  # noqa: F401  (first: it makes `guest` importable)

import errno
import linecache
import os
import sys
import unittest

from guest import stdlib
from guest.report import MESSAGE_LIMIT, TRACEBACK_LIMIT, exit_status, message, render
from guest.text import clean, type_name

PATH = "/app/report_test.py"

# Where the interpreter that runs these tests has its library.
stdlib.ROOT = os.path.dirname(linecache.__file__)


def told(source):
    """What is told of the exception that a script ends with."""
    source = source.encode()
    linecache.cache.pop(PATH, None)
    try:
        exec(compile(source, PATH, "exec"), {"__name__": "report_test"})
    except BaseException as error:
        # Without this function's own frame.
        BaseException.with_traceback(error, sys.exc_info()[2].tb_next)
        return render(error, PATH, source)
    raise AssertionError("the script did not fail")


class Frames(unittest.TestCase):
    def test_show_the_script_with_carets_and_nothing_else(self):
        text = told('import json\ndef load(text):\n    return json.loads(text)\nload("{")\n')
        self.assertTrue(text.startswith("Traceback (most recent call last):\n"))
        self.assertIn(f'  File "{PATH}", line 3, in load\n    return json.loads(text)\n', text)
        self.assertIn("^", text)
        self.assertNotIn("decoder.py", text)

    def test_of_recursion_are_collapsed(self):
        text = told("def f(n):\n    return f(n + 1)\nf(0)\n")
        self.assertIn("more times]", text)
        self.assertLess(text.count("return f(n + 1)"), 10)

    def test_syntax_errors_point_at_the_place(self):
        place = f'  File "{PATH}", line 1\n    def run(:\n            ^\n'
        self.assertEqual(told("def run(:\n"), place + "SyntaxError: invalid syntax\n")

    def test_suggestions_are_made(self):
        self.assertIn("Did you mean: 'value'?", told("value = 1\nvalu\n"))


class Chains(unittest.TestCase):
    def test_causes_come_first(self):
        text = told("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('no') from e\n")
        self.assertLess(text.index("ZeroDivisionError"), text.index("direct cause"))
        self.assertTrue(text.endswith("ValueError: no\n"))

    def test_loops_and_long_chains_end(self):
        told("a = ValueError(1)\nb = ValueError(2)\na.__cause__ = b\nb.__cause__ = a\nraise a\n")
        text = told("e = None\nfor i in range(1000):\n    n = ValueError(i)\n    n.__cause__ = e\n    e = n\nraise e\n")
        self.assertIn("earlier exceptions are not shown", text)
        self.assertTrue(text.endswith("ValueError: 999\n"))

    def test_groups_are_drawn_and_bounded(self):
        text = told("raise ExceptionGroup('g', [ValueError(1), ExceptionGroup('h', [KeyError(2)])])\n")
        self.assertIn("  +-+---------------- 1 ----------------\n    | ValueError: 1\n", text)
        self.assertIn("KeyError: 2", text)
        text = told("e = ValueError(1)\nfor i in range(5000):\n    e = ExceptionGroup('g', [e])\nraise e\n")
        self.assertIn("deeper groups are not shown", text)


class Hostile(unittest.TestCase):
    def test_nothing_escapes(self):
        for body in (
            "def __str__(self): raise SystemExit(0)",
            "def __str__(self): return 5",
            "__notes__ = property(lambda self: 1 / 0)",
            "__cause__ = __context__ = __traceback__ = args = property(lambda self: 1 / 0)",
            "__qualname__ = 'x' * 10000",
        ):
            text = told(f"class E(Exception):\n    {body}\nraise E('m')\n")
            self.assertIn("Traceback", text)
            self.assertLess(len(text), 4096)

    def test_text_is_bounded(self):
        text = told("e = ValueError('x' * 10**6)\nfor i in range(20):\n    e.add_note('n' * 10**6)\nraise e\n")
        self.assertLess(len(text), TRACEBACK_LIMIT + 100)
        self.assertLess(len(message(ValueError("x" * 10**6))), MESSAGE_LIMIT + 100)

    def test_text_is_valid_and_exact(self):
        class Text(str):
            def __getitem__(self, key):
                raise RuntimeError

            encode = __len__ = isascii = __getitem__

        text = clean(Text("a\ud800"), 10)
        self.assertIs(type(text), str)
        self.assertEqual(text, "a\\ud800")

    def test_types_cannot_hide_their_name(self):
        class Meta(type):
            def __getattribute__(cls, name):
                raise RuntimeError

        class Hidden(metaclass=Meta):
            pass

        self.assertTrue(type_name(Hidden).endswith("Hidden"))


class Advice(unittest.TestCase):
    def test_writing_beside_the_script_says_where_to_write(self):
        refused = PermissionError(errno.EPERM, "Operation not permitted", "/app/out.txt")
        self.assertIn("files do not outlive a run", message(refused))

    def test_a_full_tmp_says_what_is_limited(self):
        self.assertIn("no room left under /tmp", message(OSError(errno.EIO, "I/O error")))
        self.assertNotIn("no room", message(OSError(errno.EBADF, "Bad file descriptor")))

    def test_other_refusals_are_left_alone(self):
        self.assertNotIn("outlive", message(PermissionError(errno.EPERM, "Operation not permitted", "/tmp/x")))
        self.assertNotIn("outlive", message(FileNotFoundError(errno.ENOENT, "No such file", "/app/x")))


class Exits(unittest.TestCase):
    def test_status_is_what_was_given(self):
        class Evil(SystemExit):
            code = property(lambda self: 1 / 0)

        self.assertIsNone(exit_status(SystemExit()))
        self.assertEqual(exit_status(SystemExit(True)), 1)
        self.assertEqual(exit_status(SystemExit("text")), "text")
        self.assertEqual(exit_status(Evil(4)), 4)
