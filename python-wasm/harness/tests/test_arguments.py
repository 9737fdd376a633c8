import support  # noqa: F401  (first: it makes `guest` importable)

import functools
import unittest

from guest.arguments import misfit, read, text_notes, wants_context
from guest.errors import ArgumentError


class Reading(unittest.TestCase):
    def test_objects_are_keywords_and_arrays_positions(self):
        self.assertEqual(read("{}"), ((), {}))
        self.assertEqual(read('{"a": 1}'), ((), {"a": 1}))
        self.assertEqual(read("[1, 2]"), ((1, 2), {}))

    def test_anything_else_is_refused(self):
        for text in ("3", '"a"', "null", "{", '{"a":}'):
            with self.assertRaises(ArgumentError):
                read(text)


class Context(unittest.TestCase):
    def test_is_wanted_where_it_is_named_and_not_filled(self):
        def wrap(function):
            return functools.wraps(function)(lambda *args, **keywords: function(*args, **keywords))

        for function, positional, keywords, wanted in (
            (lambda: 0, (), {}, False),
            (lambda context: 0, (), {}, True),
            (lambda context: 0, (1,), {}, False),
            (lambda context: 0, (), {"context": 1}, False),
            (lambda a, context=None: 0, (1,), {}, True),
            (lambda a, context=None: 0, (1, 2), {}, False),
            (lambda *a, context: 0, (1, 2), {}, True),
            (lambda **context: 0, (), {}, False),
            (wrap(lambda n, context: 0), (1,), {}, True),
            (functools.partial(lambda n, context: 0, 1), (), {}, True),
            (print, (), {}, False),
        ):
            self.assertIs(wants_context(function, positional, keywords), wanted)


class Misfit(unittest.TestCase):
    def told(self, function, *positional, **keywords):
        return str(misfit(function, "run", positional, keywords))

    def test_names_the_parameter(self):
        def run(a, b=2):
            pass

        self.assertEqual(self.told(run), "run() is missing the argument 'a'; it takes: a, b")
        self.assertEqual(self.told(run, c=1), "run() has no parameter 'c'; it takes: a, b")
        self.assertEqual(self.told(run, 1, 2, 3), "run() was given 3 arguments; it takes: a, b")
        self.assertEqual(self.told(run, 1, a=1), "run() was given 'a' twice")
        self.assertEqual(self.told(lambda: 0, x=1), "run() has no parameter 'x'; it takes no arguments")
        self.assertEqual(self.told(lambda *, k, m: 0), "run() is missing the arguments 'k', 'm'; it takes: k, m")

    def test_is_none_when_they_fit(self):
        self.assertIsNone(misfit(lambda a: 0, "run", (1,), {}))


class TextNotes(unittest.TestCase):
    def test_say_how_to_give_a_number(self):
        self.assertEqual(
            text_notes(["n"], {"n": "3"}), ["argument 'n' was given as text; for a number write --arg n:=3"]
        )

    def test_are_silent_about_text_that_is_text(self):
        self.assertEqual(text_notes(["n", "m"], {"n": "abc", "other": "3"}), [])
