"""A task that returns what is no JSON: the old service kept `str(value)`."""
# /// script
# [tool.cronbox]
# result = "text"
# ///


def run():
    return {"when": 1 + 2j, "set": frozenset((1,))}
