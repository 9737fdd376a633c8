"""Looks at a script without running it: the sandbox that does so sees nothing but its source.

Returns what the upload's answer shows: the mode, the entry's parameters, warnings; or the syntax error. And the code
object, so that no run has to compile again.
"""

import ast
import base64
import importlib.util
import marshal
import sys

from parameters import functions as described_functions, top_level

MISSING = {
    "ctypes": "there is no C to call in a sandbox",
    "multiprocessing": "there are no processes in a sandbox: use a loop, ThreadPool, or several runs",
    "curses": "there is no terminal",
}
"""Modules that can be imported, and whose use fails."""


def run(path, name, entry=None, modules=()):
    with open("source", "rb") as file:
        source = file.read()
    if is_compiled(source):
        return compiled(source, path)
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return {"error": syntax_error(source, error)}
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        return {"error": {"message": f"{type(error).__name__}: {error}"[:500], "line": None, "column": None, "text": None}}
    facts = {"error": None, "mode": "script", "signature": None, "warnings": [], "uses_state": False, "code": None, "functions": {}}
    try:
        tree = ast.parse(source)
        look(tree, facts, name, entry, set(modules))
    except RecursionError:
        # Compiled, but too deep to look at.
        pass
    data = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    facts["code"] = base64.b64encode(data).decode()
    return facts


def is_compiled(source):
    return source[2:4] == b"\r\n" and len(source) >= 16 and (11 <= source[1] <= 15 or source[1] >= 242)


def compiled(source, path):
    magic = importlib.util.MAGIC_NUMBER
    if source[:4] != magic:
        theirs, ours = (int.from_bytes(number[:2], "little") for number in (source, magic))
        message = f"the file was compiled by another Python: its magic number is {theirs}, this one's is {ours}"
        return {"error": {"message": message, "line": None, "column": None, "text": None, "code": "wrong_magic"}}
    try:
        code = marshal.loads(source[16:])
        mode = "function" if "run" in code.co_names and "__main__" not in code.co_consts else "script"
        uses_state = compiled_uses_state(code)
    except Exception:
        message = "the file was compiled by this Python, but it is damaged"
        return {"error": {"message": message, "line": None, "column": None, "text": None, "code": "damaged"}}
    return {"error": None, "mode": mode, "signature": None, "warnings": [], "uses_state": uses_state, "code": None}


def compiled_uses_state(code):
    if "context" in code.co_varnames + code.co_names and "state" in code.co_names:
        return True
    return any(isinstance(inner, type(code)) and compiled_uses_state(inner) for inner in code.co_consts)


def syntax_error(source, error):
    message = error.msg or "invalid syntax"
    line = error.lineno
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        message, line = "the file is UTF-16: save it as UTF-8", 1
    elif b"\0" in source:
        line = source.count(b"\n", 0, source.find(b"\0")) + 1
        message = f"line {line} holds a NUL byte: this is no Python source, or it is damaged"
    elif "codec can't decode" in message or "Non-UTF-8" in message:
        try:
            source.decode("utf-8")
        except UnicodeDecodeError as failed:
            line = source.count(b"\n", 0, failed.start) + 1
            message = (
                f"line {line} is not UTF-8 (byte 0x{source[failed.start]:02x}): save the file as UTF-8, or name its "
                f"encoding in the first line: # -*- coding: {likely_encoding(source)} -*-"
            )
    text = error.text.rstrip("\r\n")[:200] if isinstance(error.text, str) else None
    return {"message": message[:500], "line": line, "column": error.offset, "text": text}


def likely_encoding(source):
    """What a text that is not UTF-8 probably is: GBK, where most of its other letters are Chinese then."""
    try:
        others = [letter for letter in source.decode("gbk") if not letter.isascii()]
    except UnicodeDecodeError:
        return "latin-1"
    chinese = sum("\u4e00" <= letter <= "\u9fff" or "\u3000" <= letter <= "\u303f" or "\uff00" <= letter <= "\uffef" for letter in others)
    return "gbk" if chinese * 2 >= len(others) else "latin-1"


def look(tree, facts, name, entry, modules):
    warn = facts["warnings"]
    functions = {}
    for statement in top_level(tree.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions[statement.name] = statement
            if statement.name == "run":
                facts["mode"] = "function"
        elif isinstance(statement, ast.ClassDef) and statement.name == "run":
            facts["mode"] = "function"
        elif isinstance(statement, ast.Assign) and not isinstance(statement.value, (ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.Set)):
            if any(isinstance(target, ast.Name) and target.id == "run" for target in statement.targets):
                facts["mode"] = "function"
        elif isinstance(statement, ast.ImportFrom):
            if any((alias.asname or alias.name) == "run" for alias in statement.names):
                facts["mode"] = "function"
    wanted = entry or "run"
    if entry:
        facts["mode"] = "function"
    elif facts["mode"] == "function" and (guard := guard_of(tree)) is not None and not is_called_by(tree, functions.get("run")):
        facts["mode"] = "script"
        add(warn, "run_not_called", guard, "the file has a function `run` and `if __name__ == \"__main__\"`: it runs from top to bottom; set entry = \"run\" to call the function")
    function = functions.get(wanted.rpartition(":")[2]) if ":" not in wanted or wanted.partition(":")[0] in (name, "main") else None
    facts["functions"] = described_functions(tree, function.name if function is not None else None)
    if function is not None:
        facts["signature"] = f"({ast.unparse(function.args)})"[:500]
        for node in own_nodes(function):
            if isinstance(node, (ast.Yield, ast.YieldFrom)):
                add(warn, "entry_is_generator", node, f"`{function.name}` yields: calling it gives a generator, which is no result; return a list")
                break
    elif entry and ":" not in entry and not star_import(tree) and entry not in assigned(tree):
        names = ", ".join(f"`{known}`" for known in list(functions)[:8])
        add(warn, "no_entry", None, f"there is no function `{entry}`" + (f"; there is {names}" if names else ""))
    if facts["mode"] == "script" and functions:
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        idle = [known for known in functions if known not in called]
        if len(idle) == len(functions):
            names = ", ".join(f"`{known}`" for known in list(functions)[:8])
            add(warn, "no_run", functions[next(iter(functions))], f"no function `run`; there is {names}: set entry, or nothing will be called")
    facts["uses_state"] = any(
        isinstance(node, ast.Attribute) and node.attr == "state" and isinstance(node.value, ast.Name) and node.value.id == "context"
        for node in ast.walk(tree)
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            look_at_call(node, warn)
        elif isinstance(node, ast.Attribute) and node.attr == "maxsize" and isinstance(node.value, ast.Name) and node.value.id == "sys":
            add(warn, "maxsize", node, "sys.maxsize is 2147483647 here (2**31 - 1): as a number larger than all others use float('inf') or 2**63 - 1")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                look_at_import(node, alias.name, warn, modules)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            look_at_import(node, node.module, warn, modules)
        if len(warn) >= 50:
            break
    warn.sort(key=lambda warning: warning["line"])


def guard_of(tree):
    """The `if __name__ == "__main__":` of the file."""
    for statement in top_level(tree.body):
        if isinstance(statement, ast.If) and isinstance(statement.test, ast.Compare) and len(statement.test.ops) == 1 and isinstance(statement.test.ops[0], ast.Eq):
            sides = [statement.test.left, *statement.test.comparators]
            names = [side.id for side in sides if isinstance(side, ast.Name)]
            texts = [side.value for side in sides if isinstance(side, ast.Constant)]
            if names == ["__name__"] and texts == ["__main__"]:
                return statement
    return None


def is_called_by(tree, function):
    """Whether `run` is what runs are made for all the same: it takes a context, or the file itself calls `run()`. The
    sandbox decides by the same rule (`source.calls_run`)."""
    if function is not None:
        known = function.args
        if any(argument.arg == "context" for argument in known.posonlyargs + known.args + known.kwonlyargs):
            return True
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run" and not node.args and not node.keywords
        for statement in tree.body
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        for node in ast.walk(statement)
    )


def own_nodes(function):
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))


def star_import(tree):
    return any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in tree.body)


def assigned(tree):
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
    return names


def look_at_call(node, warn):
    function = node.func
    if isinstance(function, ast.Attribute):
        base = function.value
        base = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
        bare = not node.args and not node.keywords
        if bare and base in ("datetime", "dt", "date") and function.attr in ("now", "today", "utcnow"):
            zoned = "context.now()" if base != "date" else "context.now().date()"
            add(warn, "naive_time", node, f"{base}.{function.attr}() is in UTC here, whatever the schedule's zone; {zoned} is in the run's zone")
        if base == "os" and function.attr in ("fork", "system", "popen", "execv", "execvp", "kill", "spawnv", "posix_spawn"):
            add(warn, "no_processes", node, f"os.{function.attr}() fails: there are no processes in a sandbox")
        if base == "subprocess" and function.attr in ("run", "Popen", "call", "check_call", "check_output"):
            add(warn, "no_processes", node, f"subprocess.{function.attr}() fails: there are no processes in a sandbox")
    elif isinstance(function, ast.Name):
        if function.id == "input":
            add(warn, "no_input", node, "input() reads the run's standard input, which a schedule does not give: take an argument instead")
        if function.id == "open" and node.args and isinstance(node.args[0], ast.Constant):
            mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
            path = node.args[0].value
            writes = isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) & set("wax+")
            if writes and isinstance(path, str) and not path.startswith(("/tmp/", "/output/")):
                add(warn, "read_only", node, f"open({path!r}, {mode.value!r}) fails: files do not outlive a run; return the value, or write under /output or /tmp")


def look_at_import(node, module, warn, modules):
    first = module.partition(".")[0]
    if first in MISSING:
        add(warn, "missing_module", node, f"{first} can be imported, and every use of it fails: {MISSING[first]}")
    elif first == "tkinter":
        add(warn, "missing_module", node, "tkinter cannot be imported here: there is no screen")
    elif first not in sys.stdlib_module_names and first not in modules:
        add(warn, "unknown_module", node, unknown(first))


def unknown(name):
    """What to say of a module that no run will find."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        # The interpreter knows modules that were removed, and packages that are native code.
        if ": it " in str(error) and "not in the standard library" not in str(error):
            return str(error)
    return f"{name} is neither in the standard library nor in the bundle nor in the packages: list its package under dependencies (PEP 723)"


def add(warn, code, node, message):
    warn.append({"code": code, "line": getattr(node, "lineno", 1), "message": message[:500]})
