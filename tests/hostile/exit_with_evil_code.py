# expect: failed fuel=2e9 timeout=20s
# A SystemExit whose code is a property that raises: neither success nor a fault of the harness.
class Evil(SystemExit):
    @property
    def code(self):
        raise ZeroDivisionError("no code for you")


raise Evil()
