# expect: succeeded result='[7, 9, 2.5, -4, 512]'
# A little language: tokens, precedence, unary minus, right-associative powers.
import re

LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}


def evaluate(text):
    tokens = re.findall(r"\d+\.?\d*|[-+*/^()]", text) + ["end"]

    def atom():
        token = tokens.pop(0)
        if token == "-":
            return -parse(3)
        if token == "(":
            value = parse(1)
            tokens.pop(0)
            return value
        return float(token)

    def parse(lowest):
        value = atom()
        while LEVELS.get(tokens[0], 0) >= lowest:
            operator = tokens.pop(0)
            right = parse(LEVELS[operator] + (operator != "^"))
            value = {"+": float.__add__, "-": float.__sub__, "*": float.__mul__, "/": float.__truediv__, "^": float.__pow__}[operator](value, right)
        return value

    value = parse(1)
    return int(value) if value == int(value) else value


def run():
    return [evaluate(text) for text in ("1 + 2 * 3", "(1 + 2) * 3", "10 / 4", "-2 ^ 2", "2 ^ 3 ^ 2")]
