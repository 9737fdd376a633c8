"""What a docstring says of a function and of its parameters: in the styles of Google, NumPy and Sphinx."""

import re

MOST = 1000
"""Characters of a description, and of a line that is looked at."""
MOST_LINES = 1000

FIELD = re.compile(r"[:@](?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*[\s*])?(\w+)\s*:\s*(.*)")
OTHER_FIELD = re.compile(r"[:@]\w+[^:]*:")
SECTION = re.compile(r"(args|arguments|params|parameters|keyword args|keyword arguments|other parameters)\s*:", re.IGNORECASE)
OTHER_SECTION = re.compile(r"(returns?|yields?|raises|examples?|notes?|see also|warnings?|warns|attributes|references|todo|usage)\s*:", re.IGNORECASE)
ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\)|\[.*?\])?\s*:(?:\s+|$)(.*)")
UNDERLINE = re.compile(r"-{3,}|={3,}")


def described(text):
    """The first paragraph, and the descriptions of parameters by name."""
    whole = text.encode("utf-8", "replace").decode().expandtabs()
    lines = [line[:MOST] for line in whole.splitlines()[:MOST_LINES]]
    found = {}
    summary = None
    at = 0
    paragraph = []
    while at < len(lines):
        line = lines[at].strip()
        underlined = at + 1 < len(lines) and UNDERLINE.fullmatch(lines[at + 1].strip())
        if underlined and line:
            begin = at + 2
            at = end_of_numpy(lines, begin)
            if line.lower() in ("parameters", "other parameters", "keyword arguments"):
                numpy_section(lines[begin:at], found)
            summary = finished(summary, paragraph)
        elif SECTION.fullmatch(line):
            begin = at + 1
            # The first line of a docstring has lost its indentation.
            at = end_of_indented(lines, begin, indent(lines[at]) if at else -1)
            google_section(lines[begin:at], found)
            summary = finished(summary, paragraph)
        elif match := FIELD.match(line):
            begin = at
            at = end_of_field(lines, at + 1, indent(lines[at]))
            keep(found, match[1], [match[2], *lines[begin + 1 : at]])
            summary = finished(summary, paragraph)
        elif OTHER_SECTION.fullmatch(line) or OTHER_FIELD.match(line):
            at += 1
            summary = finished(summary, paragraph)
        else:
            if not line:
                summary = finished(summary, paragraph)
            elif summary is None:
                paragraph.append(line)
            at += 1
    return finished(summary, paragraph) or None, found


def finished(summary, paragraph):
    """The summary, which is the first paragraph that has ended; empty when a section comes before any."""
    return " ".join(" ".join(paragraph).split())[:MOST] if summary is None and paragraph else summary


def indent(line):
    return len(line) - len(line.lstrip())


def keep(found, name, lines):
    text = " ".join(" ".join(lines).split())
    if text and name not in found:
        found[name] = text[:MOST]


def end_of_indented(lines, at, outer):
    """Where lines end that are further in than `outer`, or empty."""
    while at < len(lines) and (not lines[at].strip() or indent(lines[at]) > outer):
        at += 1
    return at


def end_of_field(lines, at, outer):
    """The same, up to an empty line."""
    while at < len(lines) and lines[at].strip() and indent(lines[at]) > outer:
        at += 1
    return at


def end_of_numpy(lines, at):
    """Where the next underlined title is."""
    while at < len(lines):
        if at + 1 < len(lines) and lines[at].strip() and UNDERLINE.fullmatch(lines[at + 1].strip()):
            break
        at += 1
    return at


def google_section(lines, found):
    inside = [indent(line) for line in lines if line.strip()]
    if not inside:
        return
    outer = min(inside)
    at = 0
    while at < len(lines):
        line = lines[at]
        begin = at + 1
        at = end_of_indented(lines, begin, outer)
        match = ENTRY.fullmatch(line.strip()) if indent(line) == outer else None
        if match:
            keep(found, match[1], [match[2], *lines[begin:at]])


def numpy_section(lines, found):
    inside = [indent(line) for line in lines if line.strip()]
    if not inside:
        return
    outer = min(inside)
    at = 0
    while at < len(lines):
        names = lines[at].partition(":")[0]
        begin = at + 1
        at = end_of_indented(lines, begin, outer)
        for name in names.split(","):
            if name.strip(" *\t").isidentifier():
                keep(found, name.strip(" *\t"), lines[begin:at])
