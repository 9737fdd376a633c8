"""JSON Schemas (2020-12) of functions' parameters, from their signatures alone: nothing of the script is run."""

import ast
import json
import math

from docstrings import described

DEEPEST = 20
"""Annotations and defaults that are nested deeper say nothing."""
MOST_TEXT = 64 << 10
"""A schema with more bytes is left out."""
MOST_FUNCTIONS = 50
MOST_PARTS = 10_000
"""Parts of annotations that are looked at in one file: names for types can name one another many times."""
LARGEST = 1 << 63
"""Whole numbers from here on are no defaults: most readers of JSON do not keep them."""

PLAIN = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "NoneType": {"type": "null"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
}
"""Types without parameters of their own."""
LISTS = {"list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "set", "Set", "frozenset", "FrozenSet", "AbstractSet", "MutableSet", "deque", "Deque"}
OBJECTS = {"dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict", "DefaultDict"}
TUPLES = {"tuple", "Tuple"}
ENUMS = {"Enum", "IntEnum", "StrEnum", "ReprEnum"}


def functions(tree, entry):
    """The functions that a run can call, by name, and the entry among them: each with its signature and its schema."""
    known = Names(tree)
    names = [name for name in known.functions if name != entry and not name.startswith("_")][:MOST_FUNCTIONS]
    entries = [entry] if entry in known.functions else []
    found = {name: described_function(known.functions[name], known) for name in entries + names}
    if len(json.dumps(found)) > 2 * MOST_TEXT:
        found = {name: found[name] for name in entries}
    return found


def described_function(function, known):
    return {"signature": f"({ast.unparse(function.args)})"[:500], "parameters": schema(function, known)}


class Names:
    """What the file itself defines: functions, enumerations, and names for types."""

    def __init__(self, tree):
        self.parts = 0
        self.functions = {}
        self.classes = {}
        self.aliases = {}
        for statement in top_level(tree.body):
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.functions[statement.name] = statement
            elif isinstance(statement, ast.ClassDef):
                self.classes[statement.name] = statement
            elif isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
                self.aliases[statement.targets[0].id] = statement.value
            elif isinstance(statement, ast.AnnAssign) and statement.value and isinstance(statement.target, ast.Name) and last_name(statement.annotation) == "TypeAlias":
                self.aliases[statement.target.id] = statement.value
            elif type(statement).__name__ == "TypeAlias" and not statement.type_params:
                self.aliases[statement.name.id] = statement.value


def top_level(body):
    """Statements that run when the file does, those under if, try and with too."""
    for statement in body:
        yield statement
        for field in ("body", "orelse", "finalbody"):
            if isinstance(statement, (ast.If, ast.Try, ast.With)):
                yield from top_level(getattr(statement, field, []))
        for handler in getattr(statement, "handlers", []):
            yield from top_level(handler.body)


def schema(function, known):
    try:
        made = parameters(function, known)
        return made if len(json.dumps(made, allow_nan=False)) <= MOST_TEXT else None
    except (RecursionError, ValueError):
        return None


def parameters(function, known):
    known_args = function.args
    positional = known_args.posonlyargs + known_args.args
    defaults = [None] * (len(positional) - len(known_args.defaults)) + known_args.defaults
    summary, descriptions = described(ast.get_docstring(function) or "")
    properties, required = {}, []
    for argument, default in [*zip(positional, defaults), *zip(known_args.kwonlyargs, known_args.kw_defaults)]:
        if argument.arg == "context":
            continue
        properties[argument.arg] = parameter(argument, default, known)
        if text := descriptions.get(argument.arg):
            properties[argument.arg]["description"] = text
        if default is None:
            required.append(argument.arg)
    made = {"type": "object"}
    if summary:
        made["description"] = summary
    return made | {"properties": properties, "required": required, "additionalProperties": known_args.kwarg is not None}


def parameter(argument, default, known):
    value = NOTHING if default is None else literal(default, known)
    if argument.annotation is None:
        return inferred(value) if value is not NOTHING else {}
    made = annotated(argument.annotation, known)
    if value is None and made:
        # `x: int = None` has always been taken for an optional one.
        made = or_null(made)
    return made if value is NOTHING else made | {"default": value}


def inferred(value):
    """The schema of a parameter that has only a default."""
    if value is None:
        return {"default": None}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return {"type": kinds[type(value)], "default": value}


def annotated(node, known, depth=0):
    """The schema of an annotation; an empty one for what is not known."""
    known.parts += 1
    if depth > DEEPEST or known.parts > MOST_PARTS:
        return {}

    def inner(node):
        return annotated(node, known, depth + 1)

    if isinstance(node, ast.Constant):
        if node.value is None:
            return {"type": "null"}
        if isinstance(node.value, str) and len(node.value) <= 1000:
            try:
                return inner(ast.parse(node.value.strip(), mode="eval").body)
            except (SyntaxError, ValueError):
                return {}
        return {}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return union([inner(node.left), inner(node.right)])
    if isinstance(node, ast.Subscript):
        return subscripted(node, known, inner)
    name = last_name(node)
    if name is None:
        return {}
    if isinstance(node, ast.Name):
        if name in known.classes:
            return enumeration(known.classes[name])
        if name in known.aliases:
            return inner(known.aliases[name]) if is_type(known.aliases[name]) else {}
    if name in LISTS or name in TUPLES:
        return {"type": "array"}
    if name in OBJECTS:
        return {"type": "object"}
    return dict(PLAIN.get(name, {}))


def subscripted(node, known, inner):
    name = last_name(node.value)
    parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        return literals(parts, known)
    if name in ("Annotated", "Final", "Required", "NotRequired") and parts:
        return inner(parts[0])
    if name == "Optional":
        return union([inner(node.slice), {"type": "null"}])
    if name == "Union":
        return union([inner(part) for part in parts])
    if name in LISTS:
        items = inner(node.slice)
        return {"type": "array", "items": items} if items else {"type": "array"}
    if name in OBJECTS:
        values = inner(parts[1]) if len(parts) == 2 else {}
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    if name in TUPLES:
        if len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is Ellipsis:
            items = inner(parts[0])
            return {"type": "array", "items": items} if items else {"type": "array"}
        made = {"type": "array", "prefixItems": [inner(part) for part in parts]} if parts else {"type": "array"}
        return made | {"minItems": len(parts), "maxItems": len(parts)}
    return {}


def last_name(node):
    """`Optional` of `Optional`, `typing.Optional` and `t.Optional`."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def is_type(node):
    """Whether an assigned value can be a name for a type: a constant is a value."""
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp))


def literals(parts, known):
    values = []
    for part in parts:
        value = literal(part, known)
        if value is NOTHING or isinstance(value, (list, dict)):
            return {}
        values.append(value)
    return of_values(values)


def of_values(values):
    distinct = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in distinct):
            distinct.append(value)
    return {"enum": distinct} if distinct else {}


def enumeration(definition):
    """The values of an enumeration's members; nothing for any other class, and where one cannot be known."""
    return of_values([value for _, value in members(definition)])


def members(definition):
    """The members of an enumeration, each with its value; none for any other class, and where a value cannot be known."""
    bases = {last_name(base) for base in definition.bases}
    if not bases & ENUMS:
        return []
    found = []
    for statement in definition.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, node = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, node = statement.target, statement.value
        else:
            continue
        if not isinstance(target, ast.Name) or target.id.startswith("_"):
            continue
        if isinstance(node, ast.Call) and last_name(node.func) == "auto" and not node.args:
            value = automatic(target.id, found, bases)
        else:
            value = literal(node, None)
        if value is NOTHING or isinstance(value, (list, dict)):
            return []
        found.append((target.id, value))
    return found


def automatic(name, found, bases):
    """The value of `auto()`."""
    if "StrEnum" in bases:
        return name.lower()
    values = [value for _, value in found]
    return max(values, default=0) + 1 if all(type(value) is int for value in values) else NOTHING


def member(node, known):
    """The value of `Color.RED` and of `Color.RED.value`, where the class is the file's own."""
    if isinstance(node, ast.Attribute) and node.attr == "value":
        node = node.value
    if known is None or not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return NOTHING
    definition = known.classes.get(node.value.id)
    return NOTHING if definition is None else dict(members(definition)).get(node.attr, NOTHING)


class Nothing:
    pass


NOTHING = Nothing()
"""A value that is not known, or that JSON cannot have."""


def literal(node, known, depth=0):
    """The value of a literal, as JSON has it."""
    if depth > DEEPEST:
        return NOTHING
    if isinstance(node, ast.Constant):
        return constant(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = literal(node.operand, known, depth + 1)
        if type(value) not in (int, float):
            return NOTHING
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, (ast.List, ast.Tuple)):
        values = [literal(item, known, depth + 1) for item in node.elts]
        return NOTHING if any(value is NOTHING for value in values) else values
    if isinstance(node, ast.Dict):
        keys = [NOTHING if key is None else literal(key, known, depth + 1) for key in node.keys]
        values = [literal(value, known, depth + 1) for value in node.values]
        if not all(isinstance(key, str) for key in keys) or any(value is NOTHING for value in values):
            return NOTHING
        return dict(zip(keys, values))
    return member(node, known)


def constant(value):
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -LARGEST <= value < LARGEST else NOTHING
    if isinstance(value, float):
        return value if math.isfinite(value) else NOTHING
    if isinstance(value, str):
        # Half a surrogate pair is a text in Python, and in nothing else.
        return value if not any("\ud800" <= letter <= "\udfff" for letter in value) else NOTHING
    return NOTHING


def union(parts):
    if any(not part for part in parts):
        return {}
    distinct = []
    for part in (inner for part in parts for inner in part.get("anyOf", [part])):
        if part not in distinct:
            distinct.append(part)
    others = [part for part in distinct if part != {"type": "null"}]
    has_null = len(others) < len(distinct)
    if not others:
        return {"type": "null"}
    if len(others) == 1:
        made = others[0]
    elif all(set(part) == {"type"} for part in others):
        made = {"type": [kind for part in others for kind in listed(part["type"])]}
    else:
        made = {"anyOf": others}
    return or_null(made) if has_null else made


def listed(kind):
    return kind if isinstance(kind, list) else [kind]


def or_null(made):
    """The same, or null."""
    made = dict(made)
    if "anyOf" in made:
        if {"type": "null"} not in made["anyOf"]:
            made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    elif "enum" in made:
        if None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    elif "null" not in listed(made["type"]):
        made["type"] = [*listed(made["type"]), "null"]
    return made
