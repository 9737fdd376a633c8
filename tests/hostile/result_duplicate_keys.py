# expect: failed|succeeded fuel=2e9
# 1 and "1" are different keys here and the same one in JSON: refused, or one of them kept, never both.
def run():
    return {1: "int", "1": "text", True and 2: "two", "2": "text two"}
