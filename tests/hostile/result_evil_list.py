# expect: succeeded|failed|out_of_fuel result='[1]' fuel=2e9 timeout=20s
# A list whose iterator never ends: its real contents, a refusal, or fuel, as the harness looks at it.
class Evil(list):
    def __iter__(self):
        while True:
            yield 1

    def __len__(self):
        return 2**31 - 1


def run():
    return Evil([1])
