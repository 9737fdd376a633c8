# expect: succeeded result='{"diff": ["-b", "+B", "+e"], "ratio": 0.8, "close": ["apple", "ape"]}'
# What changed between two texts.
import difflib


def run():
    lines = difflib.unified_diff(list("abcd"), list("aBcde"), lineterm="", n=0)
    return {
        "diff": [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")],
        "ratio": difflib.SequenceMatcher(None, "abcde", "abXde").ratio(),
        "close": difflib.get_close_matches("appel", ["ape", "apple", "peach", "puppy"]),
    }
