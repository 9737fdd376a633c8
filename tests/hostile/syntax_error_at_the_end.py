# expect: failed error=SyntaxError message='never closed'
# The source is compiled as a whole before anything runs.
print("not reached")
value = (1,
