# expect: failed error=GeneratorExit
# An exception that Python's own machinery treats as an ordinary end.
def run():
    raise GeneratorExit
