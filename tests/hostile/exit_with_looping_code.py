# expect: out_of_fuel fuel=2e9 timeout=20s
# The same with a property that never answers.
class Evil(SystemExit):
    @property
    def code(self):
        while True:
            pass


raise Evil()
