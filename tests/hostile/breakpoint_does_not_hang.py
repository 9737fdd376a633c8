# expect: failed|succeeded timeout=3s fuel=8e9
# The debugger reads from stdin, which is empty: it ends at once, with BdbQuit or by going on.
def run():
    breakpoint()
    return 1
