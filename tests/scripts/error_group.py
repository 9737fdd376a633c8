# expect: failed error=ExceptionGroup message='2 of 3 failed (2 sub-exceptions)'
# Exception groups are shown with their members.
def run():
    raise ExceptionGroup("2 of 3 failed", [ValueError("a"), TypeError("b")])
