# expect: failed error=Evil fuel=2e9
# __str__ returns something else, and a str subclass that is hostile in turn.
class Text(str):
    def encode(self, *args):
        raise SystemExit(0)

    __len__ = __getitem__ = __iter__ = encode


class Evil(Exception):
    def __str__(self):
        return Text("text")


raise Evil()
