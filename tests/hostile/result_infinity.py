# expect: failed error=ResultError
# Neither is 1e400.
def run():
    return [1e400]
