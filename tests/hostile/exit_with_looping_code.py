# expect: succeeded result='null' fuel=2e9 timeout=20s
# The same with a property that never answers: it is never asked.
class Evil(SystemExit):
    @property
    def code(self):
        while True:
            pass


raise Evil()
