# expect: failed error=io.UnsupportedOperation message='no standard input'
# The same by the descriptor's number.
def run():
    return open(0).read()
