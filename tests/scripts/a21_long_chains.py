# expect: succeeded result='[]' timeout=30s memory=512MiB
# Case A21: long chains of objects are taken apart, and nesting raises RecursionError, which can be caught.
import copy
import json
import pickle
import xml.etree.ElementTree as ElementTree

LENGTH = 100_000


class Node:
    def __init__(self, next):
        self.next = next


class Slots:
    __slots__ = ("next",)

    def __init__(self, next):
        self.next = next


def generator(previous):
    yield previous


def chain(link):
    made = None
    for _ in range(LENGTH):
        made = link(made)
    return made


def started(previous):
    made = generator(previous)
    next(made)
    return made


def raised(context):
    error = ValueError()
    error.__context__ = context
    return error


CHAINS = {
    "object": Node,
    "slots": Slots,
    "list": lambda before: [before],
    "tuple": lambda before: (before,),
    "dict": lambda before: {"a": before},
    "generator": started,
    "map": lambda before: map(int, before or iter([1])),
    "closure": lambda before: lambda: before,
    "exception": raised,
    "bound method": lambda before: Node(before).__init__,
    "cell in a set": lambda before: frozenset([before]) if before is None else (frozenset([1]), before),
}


def nested():
    made = []
    for _ in range(LENGTH):
        made = [made]
    return made


NESTING = {
    "json.loads": lambda: json.loads("[" * LENGTH + "]" * LENGTH),
    "json.dumps": lambda: json.dumps(nested()),
    "repr": lambda: repr(nested()),
    "pickle": lambda: pickle.dumps(nested()),
    "deepcopy": lambda: copy.deepcopy(nested()),
    "compare": lambda: nested() == nested(),
    "XML": lambda: ElementTree.tostring(ElementTree.fromstring("<a>" * LENGTH + "</a>" * LENGTH)),
}


def run():
    wrong = []
    for name, link in CHAINS.items():
        made = chain(link)
        del made
    for name, nest in NESTING.items():
        try:
            nest()
            wrong.append([name, "it worked"])
        except RecursionError:
            pass
    # What people write is far from the limits.
    if len(json.dumps(json.loads("[" * 3000 + "]" * 3000))) != 6000:
        wrong.append("3000 levels")
    return wrong
