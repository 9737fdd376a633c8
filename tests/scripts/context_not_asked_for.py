# expect: succeeded result='[]'
# A function that does not name it does not get it.
def run(**others):
    return sorted(others)
