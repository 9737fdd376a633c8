# expect: failed fuel=2e9
# The type that the message has to name has a hostile metaclass.
class Meta(type):
    @property
    def __name__(cls):
        raise SystemExit(0)

    def __repr__(cls):
        raise SystemExit(0)

    def __getattribute__(cls, name):
        raise SystemExit(0)


class Evil(metaclass=Meta):
    pass


def run():
    return Evil()
