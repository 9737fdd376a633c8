# expect: out_of_fuel fuel=1e9 stopped_at=Search.find:12
# Stopped in the standard library, a script stood where it called it.
import re


class Search:
    def __init__(self, text):
        self.text = text

    def find(self):
        # Catastrophic backtracking.
        return re.match(r"(a+)+$", self.text)


def run():
    return Search("a" * 60 + "b").find() is None
