import support  # noqa: F401  (first: it makes `guest` importable)

import importlib.util
import marshal
import unittest

from guest.source import defines_run, load


class DefinesRun(unittest.TestCase):
    def test_by_def_alias_import_and_call(self):
        for source in (
            "def run(): pass",
            "def run(a=1, *, b: int = 2) -> int: pass",
            "async def run(): pass",
            "@deco\ndef run(): pass",
            "def run[T](x: T): pass",
            "class run: pass",
            "run = main",
            "run = lambda: 0",
            "run = partial(main, 1)",
            "run = module.main",
            "from jobs import run",
            "from jobs import main as run",
            "if x:\n  def run(): pass",
            "try:\n  from jobs import run\nexcept ImportError:\n  def run(): pass",
            "\n".join(f"v{n} = {n}" for n in range(700)) + "\ndef run(): pass",
        ):
            self.assertTrue(defines_run(load(source.encode(), "/app/x.py")), source)

    def test_not_by_other_uses_of_the_name(self):
        for source in (
            "x = 1",
            "run()",
            "job.run()",
            "subprocess.run(1)",
            "run = 0",
            "run = [1]",
            "for run in runs: pass",
            "import run",
            "class Job:\n  def run(self): pass",
            "def main():\n  def run(): pass",
            "def main():\n  global run\n  def run(): pass",
            "job.run = main",
        ):
            self.assertFalse(defines_run(load(source.encode(), "/app/x.py")), source)


class LoadCompiled(unittest.TestCase):
    def pyc(self, code, magic=importlib.util.MAGIC_NUMBER):
        return magic + bytes(12) + marshal.dumps(code)

    def test_takes_what_this_python_compiled(self):
        code = compile("def run(): return 5", "/elsewhere/x.py", "exec")
        loaded = load(self.pyc(code), "/app/x.py")
        self.assertEqual(loaded.co_filename, "/app/x.py")
        self.assertTrue(defines_run(loaded))
        scope = {}
        exec(loaded, scope)
        self.assertEqual((scope["run"](), scope["run"].__code__.co_filename), (5, "/app/x.py"))

    def test_refuses_what_it_cannot_run(self):
        code = compile("x = 1", "x.py", "exec")
        for content, part in (
            (self.pyc(code, b"\xa7\x0d\r\n"), "magic number is 3495"),
            (self.pyc(code, b"\x03\xf3\r\n"), "magic number is 62211"),
            (self.pyc(code)[:-5], "damaged"),
            (self.pyc([1]), "damaged"),
        ):
            with self.assertRaises(SyntaxError) as caught:
                load(content, "/app/x.py")
            self.assertIn(part, str(caught.exception))

    def test_source_is_not_taken_for_it(self):
        for source in (b"# \r\nx = 1\r\n#............", b"1 \r\nx = 1\r\n#............"):
            load(source, "/app/x.py")


class Load(unittest.TestCase):
    def test_decodes_as_the_interpreter_does(self):
        for source in (
            b'\xef\xbb\xbfx = "\xc3\xa9"\r\n',
            b'# -*- coding: latin-1 -*-\nx = "\xe9"\n',
            b'x = "\xc3\xa9"',
        ):
            scope = {}
            exec(load(source, "/app/x.py"), scope)
            self.assertEqual(scope["x"], "é")

    def test_says_what_is_wrong_with_the_bytes_and_where(self):
        for source, line, part in (
            (b"x = 1\ny = '\xe9'\n", 2, "not UTF-8"),
            (b"x = 1\n\ny = '\0'\n", 3, "NUL"),
            ("x = 1".encode("utf-16"), 1, "UTF-16"),
        ):
            with self.assertRaises(SyntaxError) as caught:
                load(source, "/app/x.py")
            self.assertEqual(caught.exception.lineno, line)
            self.assertEqual(caught.exception.filename, "/app/x.py")
            self.assertIn(part, caught.exception.msg)

    def test_leaves_other_syntax_errors_alone(self):
        with self.assertRaises(SyntaxError) as caught:
            load(b"def run(:", "/app/x.py")
        self.assertEqual((caught.exception.lineno, caught.exception.offset), (1, 9))
