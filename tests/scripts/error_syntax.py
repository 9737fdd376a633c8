# expect: failed error=SyntaxError message='expected'
# A syntax error shows line and caret as CPython does.
def run()
    return 1
