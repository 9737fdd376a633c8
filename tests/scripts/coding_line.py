# expect: succeeded result='"\u00c3\u00a9"'
# coding: latin-1
# A coding line in the second place is honoured: these two bytes are two characters then.
def run():
    return "é"
