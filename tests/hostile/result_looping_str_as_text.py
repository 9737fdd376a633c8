# expect: out_of_fuel result_kind=text fuel=2e9 timeout=20s
# The same where str(value) never ends.
class Evil:
    def __str__(self):
        while True:
            pass


def run():
    return Evil()
