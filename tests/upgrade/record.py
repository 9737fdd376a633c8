"""Writes the statements that the tests of this version have asked the databases, as the lists that tests of later versions read.

`make statements` calls this. Of statements that differ only in how many values a list has, or in a number, the shortest is
written. A statement of the program's source that no test has asked is written as it is there. It fails when such a statement has
parts that are put in when it is asked: the list would not be complete.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORE = ROOT / "src/store"
# What can be prepared.
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
# A string of Rust: its text, without the hashes of a raw one.
STRING = re.compile(r'r#"(.*?)"#|"((?:[^"\\]|\\.)*)"', re.DOTALL)
SPACE = re.compile(r"\s+")


def plain(sql: str) -> str:
    """A statement on one line."""
    return SPACE.sub(" ", sql).strip()


def shape(sql: str) -> str:
    """What statements have in common that differ only in numbers and in the lengths of lists."""
    sql = re.sub(r"\$\d+", "$", sql)
    sql = re.sub(r"\b\d+\b", "0", sql)
    sql = re.sub(r"\$(?:, \$)+", "$", sql)
    return re.sub(r"\(\$\)(?:, \(\$\))+", "($)", sql)


def lines_of(asked: set[tuple[str, str]]) -> list[str]:
    """The lines of a list, of statements with the types of their values."""
    shapes: dict[str, tuple[int, str, str]] = {}
    for sql, types in asked:
        key, new = shape(sql), (len(sql), sql, types)
        shapes[key] = min(shapes.get(key, new), new)
    return sorted(f"{sql} -- {types}" if types else sql for _, sql, types in shapes.values())


def literals() -> dict[str, tuple[str, str]]:
    """The statements of the source, each as a pattern, with itself and its place. `{…}` in one stands for anything."""
    found = {}
    for path in sorted(STORE.parent.glob("store.rs")) + sorted(STORE.rglob("*.rs")):
        # Steps of the schema are its own, and a backup reads the tables as they are.
        if "migrations" in path.as_posix() or path.stem in ("load", "snapshot", "tables"):
            continue
        text = re.split(r"#\[cfg\(test\)\]\s*mod tests", path.read_text())[0]
        text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE).replace("'\"'", "")
        for match in STRING.finditer(text):
            raw = match[1] if match[1] is not None else re.sub(r"\\\n\s*", "", match[2]).replace('\\"', '"')
            if not STATEMENT.match(raw):
                continue
            parts = re.split(r"\{[^{}]*\}", plain(raw))
            pattern = ".*".join(re.escape(part) for part in parts)
            line = text.count("\n", 0, match.start()) + 1
            found.setdefault(pattern, (plain(raw), f"{path.relative_to(ROOT)} (near line {line}): {plain(raw)[:120]}"))
    return found


def main() -> None:
    """Writes both lists."""
    asked: dict[str, set[tuple[str, str]]] = {"postgres": set(), "sqlite": set()}
    for line in Path(sys.argv[1]).read_text().splitlines():
        said = json.loads(line)
        # SQLite has no types of values.
        types = said["types"] if said["dialect"] == "postgres" else ""
        asked[said["dialect"]].add((plain(said["sql"]), types))
    everything = "\n".join(sql for both in asked.values() for sql, _ in both)
    unasked = [found for pattern, found in literals().items() if not re.search(pattern, everything)]
    if missing := [place for sql, place in unasked if "{" in sql]:
        sys.exit("no test asks these statements, so the lists would lack them:\n" + "\n".join(missing))
    for statements in asked.values():
        statements.update((sql, "") for sql, _ in unasked)
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    step = max(path.name for path in (ROOT / "migrations/sqlite").glob("*.sql")).partition("_")[0]
    for engine, statements in asked.items():
        lines = lines_of(statements)
        head = f"-- What Cronbox {version} asks {engine}, after step {step} of the schema. Written by `make statements`.\n"
        (ROOT / f"tests/upgrade/statements-{version}.{engine}.sql").write_text(head + "".join(f"{line}\n" for line in lines))
        print(f"{engine}: {len(lines)} statements")


main()
