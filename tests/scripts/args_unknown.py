# expect: failed error=TypeError message='simbol' args='{"simbol": "ACME"}'
# And one that the function does not know.
def run(symbol="none"):
    return symbol
