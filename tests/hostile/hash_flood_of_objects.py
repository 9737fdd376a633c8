# expect: out_of_fuel fuel=4e9 timeout=20s
# The same with a set of objects whose __hash__ lies.
class Same:
    def __hash__(self):
        return 7


{Same() for _ in range(100_000)}
