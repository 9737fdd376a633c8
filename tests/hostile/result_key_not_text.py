# expect: failed error=ResultError
# A tuple as a key.
def run():
    return {(1, 2): 3}
