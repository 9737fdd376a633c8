# expect: succeeded result='null' fuel=2e9 timeout=20s
# A SystemExit whose code is a property that raises: what counts is the status it was made with, here none at all.
class Evil(SystemExit):
    @property
    def code(self):
        raise ZeroDivisionError("no code for you")


raise Evil()
