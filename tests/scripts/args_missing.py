# expect: failed error=TypeError message='symbol'
# The message names the parameter that was not filled.
def run(symbol):
    return symbol
