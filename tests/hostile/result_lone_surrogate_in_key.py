# expect: failed error=ResultError
# The same as a key.
def run():
    return {"\udfff": 1}
