# expect: failed error=EOFError message='--stdin FILE'
# Case A15: nobody types; the error says what to use.
def run():
    return input("Name: ")
