# expect: failed error=KeyboardInterrupt
# An interrupt that nobody typed.
def run():
    raise KeyboardInterrupt
