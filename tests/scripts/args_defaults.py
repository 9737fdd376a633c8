# expect: succeeded result='[1, "two"]'
# Without arguments the defaults stand.
def run(a=1, b="two"):
    return [a, b]
