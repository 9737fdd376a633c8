# expect: out_of_fuel fuel=2e9 timeout=20s
# Showing the exception never ends; that is on the run's budget.
class Evil(Exception):
    def __str__(self):
        while True:
            pass


raise Evil()
